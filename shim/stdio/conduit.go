package stdio

// A pipe between a process and what its output goes to. A FIFO that a process has
// itself ends only when all have ended who got it from the process, and a client that
// waits for that would wait for them. A file that it had itself it could cut off, or
// make one that others run with its owner's rights.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

type conduit struct {
	from *os.File
	to   io.WriteCloser
}

// newConduit gives one, and the process's end.
func newConduit(to io.WriteCloser) (c *conduit, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true) // can't fail on an open descriptor
	return &conduit{os.NewFile(uintptr(fds[0]), "pipe"), to}, os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// run copies until the pipe ends, or end was called. After a fault the process has
// nobody who reads: it would wait for one.
func (c *conduit) run() {
	defer c.close()
	err := carry(c.to, c.from)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.rest()
	}
}

// end says that nothing is of interest any more but what is in the pipe.
func (c *conduit) end() { _ = c.from.SetReadDeadline(time.Unix(1, 0)) }

// most is how much a pipe can hold, in bytes: more is not from before the end.
const most = 1 << 20

// rest copies what is in the pipe, and does not wait.
func (c *conduit) rest() {
	raw, err := c.from.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, chunk)
	for n, all := 1, 0; n > 0 && all < most; all += n {
		if err := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b) }); err != nil {
			return
		}
		if errors.Is(err, unix.EINTR) {
			n = 1
			continue
		}
		if err != nil {
			return // EAGAIN: it is empty
		}
		if n > 0 {
			if _, err := c.to.Write(b[:n]); err != nil {
				return
			}
		}
	}
}

func (c *conduit) close() {
	_ = c.from.Close()
	_ = c.to.Close()
}
