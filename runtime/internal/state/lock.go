package state

// The lock of a container: flock(2) on its directory, held by the command that
// changes it.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// lockPatience is how long a command waits for another one.
const lockPatience = 10 * time.Second

// errBusy says that another command kept the lock.
var errBusy = errors.New("another runcell command has been working on it")

// Acquire locks the container, which Release undoes. It waits for another
// command, at most lockPatience, and no longer than the context lasts. The error
// wraps ErrNotExist if the directory is gone, which a delete may also have done
// while we waited.
func (c *Container) Acquire(ctx context.Context) error {
	deadline := time.Now().Add(lockPatience)
	for waiting := false; ; waiting = true {
		if got, err := c.TryLock(); got || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lock container %q: %w for %v", c.Name(), errBusy, lockPatience)
		}
		if !waiting {
			step.Say("wait for the lock of container %q, which another runcell command has", c.Name())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock container %q: %w", c.Name(), context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TryLock is Acquire that does not wait: it tells whether it got the lock.
func (c *Container) TryLock() (got bool, err error) {
	fd, err := sys.Open(c.Dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, NotExistError{c.Name()}
	}
	if err != nil {
		return false, fmt.Errorf("lock container: %w", err)
	}
	got, err = flock.Try(fd, flock.Exclusive)
	if got {
		// Another one may have the name by now: then this lock is nothing's.
		got, err = sameFile(fd, c.Dir)
	}
	if got && err == nil {
		c.Lock = fd
		return true, nil
	}
	sys.CloseFD(fd)
	if err != nil {
		return false, fmt.Errorf("lock container: %w", err)
	}
	return false, nil
}

func sameFile(fd int, path string) (bool, error) {
	var a, b unix.Stat_t
	if err := unix.Fstat(fd, &a); err != nil {
		return false, err
	}
	if err := unix.Lstat(path, &b); err != nil {
		return false, sys.Unless(err, fs.ErrNotExist)
	}
	return a.Dev == b.Dev && a.Ino == b.Ino, nil
}

// Release gives the lock back; without one it does nothing.
func (c *Container) Release() {
	sys.CloseFD(c.Lock)
	c.Lock = -1
}

// locked tells whether another command holds the container's lock.
func (c *Container) locked() (bool, error) {
	fd, err := sys.Open(c.Dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false, sys.Unless(err, fs.ErrNotExist)
	}
	defer sys.CloseFD(fd)
	free, err := flock.Try(fd, flock.Shared)
	return !free && err == nil, err
}
