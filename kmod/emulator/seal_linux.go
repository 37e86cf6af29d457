package emulator

// The last steps of a child that is still root: from here on it can do no
// more than its cell's permissions say.

import (
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// seal gives a child's last steps. /proc must be mounted by then, if it is to
// be. The filter goes last, as it denies what the others do.
func seal(spec *kmod.Spec, first bool) ([]stage.Step, error) {
	set := effective(spec)
	var steps []stage.Step
	if first {
		for _, e := range emulation() {
			if set.Has(e.permission) {
				continue
			}
			for _, path := range e.readonly {
				s, err := readonly(path)
				if err != nil {
					return nil, err
				}
				steps = append(steps, s...)
			}
		}
	}
	drop, err := dropCapabilities(set)
	if err != nil {
		return nil, err
	}
	install, err := installFilter(set)
	if err != nil {
		return nil, err
	}
	return append(append(steps, drop...), install), nil
}

// readonly makes a path below /proc read-only for the cell, if it is there.
// Linux lets root write its settings without asking for a capability.
func readonly(path string) ([]stage.Step, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("make %q read-only: %w", path, err)
	}
	mount := func(source uintptr, flags uintptr) stage.Step {
		s := stage.Sys("make "+path+" read-only", unix.SYS_MOUNT, source, uintptr(unsafe.Pointer(p)), 0, flags, 0)
		s.Keep = []any{p}
		s.Tolerate[0], s.Tolerate[1] = unix.ENOENT, unix.ENOTDIR // no /proc
		return s
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return []stage.Step{
		mount(uintptr(unsafe.Pointer(p)), unix.MS_BIND),
		mount(0, unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags),
	}, nil
}
