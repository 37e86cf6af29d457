package stage

// Steps of fsconfig(2).

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Option is a step that sets an option of the filesystem whose descriptor is
// in a register (fsconfig(2)).
func Option(name string, register uint8, key, value string) (Step, error) {
	k, err := syscall.BytePtrFromString(key)
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", name, err)
	}
	v, err := syscall.BytePtrFromString(value)
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", name, err)
	}
	s := Sys(name, unix.SYS_FSCONFIG, uintptr(register), unix.FSCONFIG_SET_STRING,
		uintptr(unsafe.Pointer(k)), uintptr(unsafe.Pointer(v)))
	s.From[0], s.Keep = Reg, []any{k, v}
	return s, nil
}
