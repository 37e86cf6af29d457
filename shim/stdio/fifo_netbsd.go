package stdio

// Who else has a FIFO, and how much is in a pipe, on NetBSD.

import (
	"os"

	"golang.org/x/sys/unix"
)

// inPipe asks the end that writes how many bytes nobody has read yet: FIONWRITE
// (<sys/filio.h>), which x/sys lacks.
const inPipe = 0x40046679

// inFIFO asks the end that reads (FIONREAD).
const inFIFO = 0x4004667f

// unreadIn tells, by an end to write, how many bytes of a FIFO somebody has still to
// read: none if nobody else has it open to read, and then it can't be opened to be
// written. The bytes are known where it is read, and not by an end for both
// (fifo_vnops.c).
func unreadIn(w *os.File) int {
	fd, err := openFIFO(w.Name(), unix.O_WRONLY)
	if err != nil {
		return 0
	}
	_ = unix.Close(fd)
	if fd, err = openFIFO(w.Name(), unix.O_RDONLY); err != nil {
		return 0
	}
	defer unix.Close(fd)
	n, err := unix.IoctlGetInt(fd, inFIFO)
	if err != nil {
		return 0
	}
	return n
}

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
