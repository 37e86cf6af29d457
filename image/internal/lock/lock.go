// Package lock takes flock(2)s that a signal can end the wait for. It makes and
// removes no files.
package lock

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// IsAt tells whether path still leads to f.
func IsAt(f *os.File, path string) bool {
	there, err := os.Lstat(path) //nolint:forbidigo // a lock's own path, which the operator named
	if err != nil {
		return false
	}
	fi, err := f.Stat()
	return err == nil && os.SameFile(fi, there)
}

// Flock is flock(2), begun again after a signal. Without unix.LOCK_NB it waits,
// and nothing ends that: see File.
func Flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// File waits for a lock until ctx ends: a signal must be able to end a
// process that waits, so it does not sleep in flock(2). how is unix.LOCK_SH or
// unix.LOCK_EX. The error after ctx's end wraps its cause.
func File(ctx context.Context, f *os.File, how int) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := Flock(f, how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if err != unix.EWOULDBLOCK {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another runcell that uses %s: %w", f.Name(), context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
