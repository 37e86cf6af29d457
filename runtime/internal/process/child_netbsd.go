package process

// Waiting for a process, and signalling it, by wait6(2) and kill(2).

import (
	"errors"
	"unsafe"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Arguments of wait6(2), from NetBSD's sys/wait.h and sys/idtype.h.
const (
	sysWait6 = 481
	pPid     = 1       // P_PID
	wExited  = 0x20    // WEXITED
	wNoWait  = 0x10000 // WNOWAIT
)

// awaitExit waits until a child has ended, without reaping it.
func awaitExit(pid int) error {
	var status int32
	for {
		_, _, errno := unix.Syscall6(sysWait6, pPid, uintptr(pid), uintptr(unsafe.Pointer(&status)), wExited|wNoWait, 0, 0)
		if errno == 0 {
			return nil
		}
		if !errors.Is(errno, unix.EINTR) {
			return errno
		}
	}
}

// SignalProcess signals a process whose start time was looked at: NetBSD has
// no pidfd, so a pid reused within these two calls would be hit.
func SignalProcess(pid int, start uint64, sig unix.Signal) error {
	if alive, err := sys.Alive(pid, start); err != nil {
		return err
	} else if !alive {
		return ErrGone
	}
	err := unix.Kill(pid, sig)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}
