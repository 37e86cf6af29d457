// Package lock is how processes that work on the same store or layout keep out
// of each other's way. It never waits without an end: a signal, which ends the
// context, ends the wait.
package lock

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/flock"
)

// IsAt tells whether path still leads to f.
func IsAt(f *os.File, path string) bool {
	there, err := os.Lstat(path) //nolint:forbidigo // a link is not f, so it is not followed
	if err != nil {
		return false
	}
	fi, err := f.Stat()
	return err == nil && os.SameFile(fi, there)
}

// moment is how long nobody has to be told of a wait.
const moment = time.Second

// File waits for a lock on f until ctx ends, and tells so (image.WithWaits). Its
// errors name the file, and wrap the context's cause or that of flock(2).
func File(ctx context.Context, f *os.File, how flock.Mode) error {
	name := filepath.Clean(f.Name()) // a directory's can end with "/."
	long := time.AfterFunc(moment, func() {
		image.TellWait(ctx, "another runcell has done its work on "+name)
	})
	defer long.Stop()
	err := flock.Lock(ctx, int(f.Fd()), how)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for another runcell that uses %s: %w", name, err)
	}
	return fmt.Errorf("lock %s: %w", name, err)
}
