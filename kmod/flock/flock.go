// Package flock locks open files against other processes (flock(2)). It only
// ever handles a descriptor: what the lock protects, whether the name still
// leads to the locked file, and who closes it is the caller's business. A lock
// ends when its last descriptor is closed, also when the process is killed.
package flock

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Mode is how a file is locked.
type Mode int

const (
	// Shared lets other processes take shared locks, too.
	Shared Mode = unix.LOCK_SH
	// Exclusive is one process's alone.
	Exclusive Mode = unix.LOCK_EX
)

// The pauses between two attempts of a wait that can end early.
const (
	firstPause = time.Millisecond
	mostPause  = 100 * time.Millisecond
)

// Lock waits for the lock on fd, and gives the cause when ctx ends before it
// is to be had: flock(2) sleeps on after a signal that Go has a handler for, so
// a wait that has to end does not sleep there. With a ctx that never ends it
// does. Other errors are those of flock(2), such as EOPNOTSUPP on a file system
// without locks.
//
// A lock that fd has in the other mode is converted, which is not atomic:
// another process can have it in between, and NetBSD keeps the old one when the
// new one is not to be had.
func Lock(ctx context.Context, fd int, how Mode) error {
	if ctx.Done() == nil {
		return call(fd, int(how))
	}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if locked, err := Try(fd, how); locked || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// Try takes the lock on fd unless another process is in the way, and tells
// whether it did. Its errors are those of flock(2).
func Try(fd int, how Mode) (locked bool, err error) {
	err = call(fd, int(how)|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Unlock gives the lock on fd up. Its errors are those of flock(2).
func Unlock(fd int) error { return call(fd, unix.LOCK_UN) }

// call repeats flock(2) when a signal interrupts it.
func call(fd, operation int) error {
	for {
		if err := unix.Flock(fd, operation); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
