package stdio

// FIFOs. A client of containerd makes them and opens their other ends, before
// or after we do, and may come and go while the process runs.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

// readerLimit is how long a FIFO's reader may take to come. Then the process
// runs without: what it writes waits in the FIFO. A variable for tests.
var readerLimit = 10 * time.Second

// openReader opens a FIFO to be read, and an end to write that keeps it from
// ending: a client that leaves may come back. With polled the reader does not
// block, for one who copies; else it is one for a process.
func openReader(path string, polled bool) (r, keep *os.File, err error) {
	// A reader that does not block needs no writer, and a writer finds it.
	fd, err := openFIFO(path, unix.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	kept, err := openFIFO(path, unix.O_WRONLY)
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	return end(fd, path, polled), end(kept, path, true), nil
}

// openWriter opens a FIFO to be written, as soon as somebody reads it, and an
// end that keeps it from being without a reader or writer: a process would get
// SIGPIPE, and a client an end of file. An end for both directions alone would
// not wait for the reader, who might come after all is over, and wait for ever.
func openWriter(ctx context.Context, path string, polled bool) (w, keep *os.File, err error) {
	limited, cancel := context.WithTimeout(ctx, readerLimit)
	defer cancel()
	fd, err := openFIFO(path, unix.O_WRONLY)
	for pause := 100 * time.Microsecond; errors.Is(err, unix.ENXIO) && limited.Err() == nil; pause = min(2*pause, 10*time.Millisecond) {
		select {
		case <-limited.Done():
		case <-time.After(pause):
		}
		fd, err = openFIFO(path, unix.O_WRONLY)
	}
	if ctx.Err() != nil && err != nil {
		return nil, nil, fmt.Errorf("wait for a reader of %s: %w", path, context.Cause(ctx))
	}
	absent := errors.Is(err, unix.ENXIO)
	if err != nil && !absent {
		return nil, nil, err
	}
	kept, kerr := openFIFO(path, unix.O_RDWR)
	if kerr != nil {
		if err == nil {
			unix.Close(fd)
		}
		return nil, nil, kerr
	}
	if absent {
		log.L.Warnf("nobody reads %s after %v: the process runs without a reader", path, readerLimit)
		if fd, err = openFIFO(path, unix.O_WRONLY); err != nil {
			unix.Close(kept)
			return nil, nil, err
		}
	}
	return end(fd, path, polled), end(kept, path, true), nil
}

func openFIFO(path string, mode int) (int, error) {
	for {
		fd, err := unix.Open(path, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", path, err)
		}
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
			err = errors.New("it is not a FIFO; write file:// before the path of a file")
		}
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("open %s: %w", path, err)
		}
		return fd, nil
	}
}

// end makes a file of a descriptor that does not block. One that is polled
// waits in the Go runtime, and can be closed by another goroutine meanwhile.
func end(fd int, path string, polled bool) *os.File {
	if !polled {
		_ = unix.SetNonblock(fd, false) // can't fail on an open descriptor
	}
	return os.NewFile(uintptr(fd), path)
}
