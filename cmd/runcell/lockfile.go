package main

// A file that says who is at work: whoever holds its lock. The number in it is
// for people and for signals; only the lock tells whether it is still true.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
)

const (
	lookPause = 5 * time.Millisecond
	lookTime  = 250 * time.Millisecond
)

// lockFile takes the lock and writes our number into the file; "" is no file.
// The lock ends with unlock, or the process.
func lockFile(path string) (unlock func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open --lock-file: %w", err)
	}
	var locked bool
	for began := time.Now(); ; time.Sleep(lookPause) { // who only looks holds it for a moment
		locked, err = flock.Try(int(f.Fd()), flock.Exclusive)
		if locked || err != nil || time.Since(began) > lookTime {
			break
		}
	}
	if err == nil && !locked {
		err = errors.New("another runcell holds it")
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// lockHolder gives the number of the process that holds a file's lock; 0 = none
// does, or there is no file.
func lockHolder(path string) (pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	free, err := flock.Try(int(f.Fd()), flock.Shared)
	if err != nil || free {
		return 0, err
	}
	const longest = 32
	b, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return 0, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s is locked, and %q in it is no process", path, b)
	}
	return pid, nil
}
