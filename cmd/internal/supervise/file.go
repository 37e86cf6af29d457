package supervise

// A log in a file that is rotated: newsyslog(8) moves it, makes a new one, and
// may send SIGHUP. A file that is not at its name any more is let go of with the
// next line, whether or not a signal comes.

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// logMode is for root's eyes: what programs print is nobody else's business.
const logMode = 0o600

type file struct {
	path string
	f    *os.File // nil = could not be opened
	info os.FileInfo
}

// OpenFile opens a log that is appended to, and made if it is not there.
func OpenFile(path string) (Sink, error) {
	l := &file{path: path}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// OpenLog opens a log for appending, and makes it if it is not there. It does not
// wait: a FIFO, for which open(2) waits, and at which a program would wait for who
// reads, is an error.
func OpenLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK|syscall.O_NOCTTY, logMode)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%s is a FIFO or socket: name a file", path)
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		err = fmt.Errorf("%s is a FIFO or socket: name a file", path)
	}
	if err == nil {
		err = syscall.SetNonblock(int(f.Fd()), false) // it may become a program's output
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (l *file) open() error {
	f, err := OpenLog(l.path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.info = f, info
	return nil
}

// Write writes to the file that has the name now.
func (l *file) Write(p []byte) (int, error) {
	if l.f != nil && l.moved() {
		l.Reopen()
	}
	if l.f == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	return l.f.Write(p)
}

// moved tells whether another file, or none, has the name.
func (l *file) moved() bool {
	now, err := os.Stat(l.path)
	return err != nil || !os.SameFile(now, l.info)
}

func (l *file) Reopen() {
	if l.f != nil {
		_ = l.f.Close() // each write has told its error
		l.f = nil
	}
}

func (l *file) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
