package stdio

// Who else has a FIFO, and how much is in a pipe, on Linux.

import (
	"os"

	"golang.org/x/sys/unix"
)

// inPipe asks the end that writes how many bytes nobody has read yet (pipe(7), FIONREAD).
const inPipe = unix.TIOCINQ

// unreadIn tells, by an end to write, how many bytes of a FIFO somebody has still to
// read: none if nobody else has it open to read, which poll(2) tells.
func unreadIn(w *os.File) (n int) {
	raw, err := w.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		if _, err := unix.Poll(p, 0); err != nil || p[0].Revents&unix.POLLERR == 0 {
			n, err = unix.IoctlGetInt(int(fd), inPipe)
			if err != nil {
				n = 0
			}
		}
	})
	return n
}

// written tells whether somebody has a FIFO open to write, by an end to read that
// is older than a writer that there was: then poll(2) tells.
func written(r *os.File) bool {
	is := true
	raw, err := r.SyscallConn()
	if err != nil {
		return is
	}
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(p, 0)
		is = err != nil || p[0].Revents&unix.POLLHUP == 0
	})
	return is
}
