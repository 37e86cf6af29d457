package process

// Waiting for a process by waitid(2), and signalling it by a pidfd.

import (
	"errors"
	"os"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// awaitExit waits until a child has ended, without reaping it.
func awaitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// SignalProcess signals a process and not another one that got its pid: the
// pidfd is opened before the start time is looked at.
func SignalProcess(pid int, start uint64, sig unix.Signal) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) { // a thread, or no number of a process
		return ErrGone
	}
	if err != nil {
		return orGone("pidfd_open", err)
	}
	defer sys.CloseFD(pidfd)
	if alive, err := sys.Alive(pid, start); err != nil {
		return err
	} else if !alive {
		return ErrGone
	}
	return orGone("pidfd_send_signal", unix.PidfdSendSignal(pidfd, sig, nil, 0))
}

// orGone is the error of a system call, or ErrGone where it says that there is no
// such process.
func orGone(call string, err error) error {
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return os.NewSyscallError(call, err)
}
