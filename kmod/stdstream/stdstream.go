// Package stdstream writes to this process's standard output and error. The Go
// runtime ends a process that writes to descriptor 1 or 2 when nobody reads there
// any more (os/signal, "SIGPIPE"): a command would end where it stands, with what it
// makes half made, because of a line about it. Here that is an error.
package stdstream

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrUnread is the error of a write that nobody can read, and an EPIPE.
var ErrUnread = fmt.Errorf("nobody reads it any more: %w", unix.EPIPE)

// Stream is a standard stream, or any other file.
type Stream struct{ *os.File }

// Write is that of a file, and may fail with ErrUnread. The kernel sends SIGPIPE as
// well then, which has no effect unless the process asked for it.
func (s Stream) Write(b []byte) (n int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", s.Name(), err)
	}
	var werr error
	err = raw.Write(func(fd uintptr) (done bool) {
		for n < len(b) && werr == nil {
			m, err := unix.Write(int(fd), b[n:])
			switch {
			case err == nil:
				n += m
			case errors.Is(err, unix.EAGAIN): // others have it set not to block
				return false
			case errors.Is(err, unix.EPIPE):
				werr = ErrUnread
			case !errors.Is(err, unix.EINTR):
				werr = err
			}
		}
		return true
	})
	if err = errors.Join(werr, err); err != nil {
		return n, fmt.Errorf("write %s: %w", s.Name(), err)
	}
	return n, nil
}

// WriteString is Write: that of the file would end the process.
func (s Stream) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// ReadFrom copies by Write, for the same reason.
func (s Stream) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s}, r)
}

// File gives what is behind a writer: a child gets it as it is.
func File(w io.Writer) (*os.File, bool) {
	switch f := w.(type) {
	case Stream:
		return f.File, true
	case *os.File:
		return f, true
	}
	return nil, false
}

// Unread tells whether nobody reads a descriptor that is open for writing.
func Unread(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return n == 1 && err == nil && p[0].Revents&unix.POLLNVAL == 0
}

// OnlyUnread tells whether an error is of writes that nobody could read, and of
// nothing else.
func OnlyUnread(err error) bool {
	if err == nil || err == ErrUnread { //nolint:errorlint // what is below is looked at here
		return err != nil
	}
	switch e := err.(type) { //nolint:errorlint // the same
	case interface{ Unwrap() error }:
		return OnlyUnread(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if !OnlyUnread(err) {
				return false
			}
		}
		return len(e.Unwrap()) > 0
	}
	return false
}
