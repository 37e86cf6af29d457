package main

// A file that says who is at work: whoever holds its lock. The number in it is
// for people: the kernel tells whose the lock is. It is a lock of fcntl(2), as
// that of flock(2) is nobody's in particular, and a number that stands in the
// file may be the one's before, and another process's by now.

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// heldLock is such a lock that is ours; nil = none was asked for.
type heldLock struct{ f *os.File }

// lockFile takes the lock and writes our number into the file; "" is no file.
// The lock ends with unlock, or the process.
func lockFile(path string) (*heldLock, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	// Nobody else's to read: who can read it could lock it against us.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open --lock-file: %w", err)
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
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
	return &heldLock{f}, nil
}

func (l *heldLock) unlock() {
	if l != nil {
		_ = l.f.Close()
	}
}

// endedStopped stands in the file where somebody has asked for the end.
const endedStopped = "stopped"

// tell writes how it ended in the number's place: the exit status, or that it was
// asked for. To open the file again would lose the lock (fcntl(2)).
func (l *heldLock) tell(status int, asked bool) error {
	if l == nil {
		return nil
	}
	text := "ended " + strconv.Itoa(status)
	if asked {
		text = endedStopped
	}
	err := l.f.Truncate(0)
	if err == nil {
		_, err = l.f.WriteAt([]byte(text+"\n"), 0)
	}
	return err
}

// readEnd reads what tell wrote; status is -1 where nothing is known.
func readEnd(path string) (status int, asked bool, err error) {
	b, err := readSmall(path)
	if errors.Is(err, os.ErrNotExist) {
		return -1, false, nil
	}
	text := strings.TrimSpace(string(b))
	if number, ok := strings.CutPrefix(text, "ended "); ok {
		if n, nerr := strconv.Atoi(number); nerr == nil {
			return n, false, nil
		}
	}
	return -1, text == endedStopped, err
}

// lockHolder gives the number of the process that holds a file's lock; 0 = none
// does, or there is no file. Asking takes no lock.
func lockHolder(path string) (pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("look who holds %s: %w", path, err)
	}
	switch {
	case lock.Type == unix.F_UNLCK:
		return 0, nil
	case lock.Pid <= 0:
		return 0, fmt.Errorf("%s is locked by a process that can't be named: it is not a runcell of here", path)
	}
	return int(lock.Pid), nil
}
