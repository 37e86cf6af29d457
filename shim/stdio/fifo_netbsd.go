package stdio

// Whether a FIFO has a writer, and how much is in a pipe, on NetBSD.

import (
	"os"

	"golang.org/x/sys/unix"
)

// inPipe asks the end that writes how many bytes nobody has read yet: FIONWRITE
// (<sys/filio.h>), which x/sys lacks.
const inPipe = 0x40046679

// written tells whether somebody has a FIFO open to write, by an end to read that
// is older than a writer that there was: then kevent(2) tells. Neither poll(2)
// does, which is silent about that, nor open(2), which does not wait for a writer
// while there is something to read.
func written(r *os.File) bool {
	raw, err := r.SyscallConn()
	if err != nil {
		return true
	}
	queue, err := unix.Kqueue() // no child inherits one
	if err != nil {
		return true
	}
	defer func() { _ = unix.Close(queue) }()
	is := true
	_ = raw.Control(func(fd uintptr) {
		var change, event [1]unix.Kevent_t
		unix.SetKevent(&change[0], int(fd), unix.EVFILT_READ, unix.EV_ADD)
		n, err := unix.Kevent(queue, change[:], event[:], &unix.Timespec{})
		is = err != nil || n == 0 || event[0].Flags&unix.EV_EOF == 0
	})
	return is
}
