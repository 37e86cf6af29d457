package stdio

// Whether a FIFO has a writer, and how much is in a pipe, on Linux.

import (
	"os"

	"golang.org/x/sys/unix"
)

// inPipe asks the end that writes how many bytes nobody has read yet (pipe(7), FIONREAD).
const inPipe = unix.TIOCINQ

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
