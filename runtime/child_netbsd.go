package runtime

import (
	"errors"
	goruntime "runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arguments of wait6(2), from NetBSD's sys/wait.h and sys/idtype.h.
const (
	sysWait6 = 481
	pPid     = 1  // P_PID
	wExited  = 32 // WEXITED
	wNoWait  = 16 // WNOWAIT
)

// awaitExit waits until a child has ended, without reaping it.
func awaitExit(pid int) error {
	var status int32
	for {
		errno := wait6(uintptr(pid), &status)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// wait6 passes its 64-bit id as each architecture's calling convention wants.
func wait6(id uintptr, status *int32) (errno syscall.Errno) {
	st := uintptr(unsafe.Pointer(status))
	switch goruntime.GOARCH {
	case "386":
		_, _, errno = unix.Syscall9(sysWait6, pPid, id, 0, st, wExited|wNoWait, 0, 0, 0, 0)
	case "arm":
		_, _, errno = unix.Syscall9(sysWait6, pPid, 0, id, 0, st, wExited|wNoWait, 0, 0, 0)
	default:
		_, _, errno = unix.Syscall6(sysWait6, pPid, id, st, wExited|wNoWait, 0, 0)
	}
	return errno
}

// signalProcess signals a process whose start time was looked at: NetBSD has
// no pidfd, so a pid reused within these two calls would be hit.
func signalProcess(pid int, start uint64, sig unix.Signal) error {
	if !alive(pid, start) {
		return ErrNotRunning
	}
	err := unix.Kill(pid, sig)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	return err
}
