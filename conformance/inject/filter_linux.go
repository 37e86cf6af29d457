package inject

// The way of a command under a filter: this program starts itself, installs
// the filter on its main thread, hands the filter's listener to the suite, and
// executes the command.

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExecArg is the first argument that makes the program do that; the command
// follows.
const ExecArg = "conformance-inject"

// The socket to the suite: where the suite puts it, and where the listener is
// sent from. The filter asks about any sendmsg(2) but one there.
const (
	socketFD = 3
	sendFD   = 999
)

// What x/sys does not name, of <linux/seccomp.h>.
const (
	setModeFilter       = 1
	flagNewListener     = 1 << 3
	flagWaitKillable    = 1 << 5 // a signal does not ask again about the same call
	offsetNr, offsetArg = 0, 16  // of struct seccomp_data
)

// Exec turns this process into the command; it returns only an error.
func Exec(command []string) error {
	if len(command) == 0 {
		return errors.New("inject: no command")
	}
	runtime.LockOSThread()
	if err := unix.Dup3(socketFD, sendFD, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("inject: move socket: %w", err)
	}
	_ = unix.Close(socketFD)
	if err := listen(); err != nil {
		return err
	}
	err := syscall.Exec(command[0], command, os.Environ())
	return fmt.Errorf("inject: execute %s: %w", command[0], err)
}

// listen installs the filter and sends its listener to the suite.
func listen() error {
	filter := program()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, flagNewListener|flagWaitKillable, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("inject: install filter: %w", errno)
	}
	if err := unix.Sendmsg(sendFD, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("inject: send listener: %w", err)
	}
	return nil
}

// program asks about every call that is not left alone.
func program() []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
	}
	verdict := func(v uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v}
	}
	p := []unix.SockFilter{load(offsetNr)}
	for _, nr := range slices.Concat(slices.Sorted(maps.Keys(alone)), slices.Sorted(maps.Keys(portAlone))) {
		p = append(p, unless(uint32(nr), 1), verdict(unix.SECCOMP_RET_ALLOW))
	}
	return append(p,
		unless(unix.SYS_SENDMSG, 3), load(offsetArg), unless(sendFD, 1), verdict(unix.SECCOMP_RET_ALLOW),
		verdict(unix.SECCOMP_RET_USER_NOTIF))
}
