package launch

// Waiting for a FIFO's other end on Linux.

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// awaitHangup waits until nobody has the FIFO open for reading any more.
func awaitHangup(fd int, _ string) error {
	deadline := time.Now().Add(execPatience)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("wait for exec: not done after %v", execPatience)
		}
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(p, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for exec: %w", err)
		}
		if p[0].Revents&unix.POLLERR != 0 { // of a FIFO's writing end (poll(2))
			return nil
		}
	}
}
