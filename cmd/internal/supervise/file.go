package supervise

// A log in a file that is rotated: newsyslog(8) moves it, makes a new one, and
// may send SIGHUP. A file that is not at its name any more is let go of with the
// next line, whether or not a signal comes.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
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

func (l *file) open() error {
	f, _, err := Append(l.path)
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

// Append opens a log, or makes it if it is not there. It must be a file, or
// os.DevNull: a FIFO or a terminal could stop who writes to it, and at the end of a
// symbolic link is a file of which nobody has said that it is a log.
func Append(path string) (f *os.File, made bool, err error) {
	const how = os.O_WRONLY | os.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	f, err = os.OpenFile(path, how|os.O_CREATE|os.O_EXCL, logMode)
	if made = err == nil; errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, how|os.O_CREATE, logMode) // it may have been moved meanwhile
	}
	if err != nil { // each system has its own word for a link, and for a FIFO
		if info, lerr := os.Lstat(path); lerr == nil && !isLog(info) {
			err = fmt.Errorf("%s: %w", path, errNoFile)
		}
		return nil, false, err
	}
	info, err := f.Stat()
	if err == nil && !isLog(info) {
		err = fmt.Errorf("%s: %w", path, errNoFile)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, made, nil
}

func isLog(info os.FileInfo) bool {
	if info.Mode().IsRegular() {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

var errNoFile = errors.New("a log is a file, and no symbolic link, FIFO or device but " + os.DevNull)

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
