package launch

// Waiting for a FIFO's other end on NetBSD.

import (
	"errors"
	"fmt"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// awaitHangup waits until nobody has the FIFO open for reading any more.
// poll(2) does not tell the writer of a FIFO here (it knows no POLLHUP there);
// open(2) does, with ENXIO.
func awaitHangup(_ int, path string) error {
	deadline := time.Now().Add(execPatience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			sys.CloseFD(fd)
		case errors.Is(err, unix.ENXIO):
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for exec: open %s: %w", state.FifoFile, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for exec: not done after %v", execPatience)
		}
		time.Sleep(pause)
	}
}
