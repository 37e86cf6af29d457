package stdio

// Whether a FIFO has a writer, on NetBSD.

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// writerLimit is how long a look for a FIFO's writer takes if there is none.
const writerLimit = 20 * time.Millisecond

// written tells whether somebody has a FIFO open to write. What tells is that
// open(2) for reading waits for one: poll(2) does not.
func written(r *os.File) bool {
	path := r.Name()
	opened := make(chan bool, 1)
	go func() {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		for errors.Is(err, unix.EINTR) {
			fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		if err == nil {
			unix.Close(fd)
		}
		opened <- err == nil
	}()
	select {
	case is := <-opened:
		return is
	case <-time.After(writerLimit):
	}
	if fd, err := openFIFO(path, unix.O_WRONLY); err == nil { // lets it go
		<-opened
		unix.Close(fd)
	}
	return false
}
