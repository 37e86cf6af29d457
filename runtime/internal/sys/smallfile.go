package sys

// Small files of the state directory and of /proc, read and written by plain
// system calls: package os would register each one with its poller.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Unless gives an error unless it is one that says what was asked: that
// something is not there.
func Unless(err, answer error) error {
	if errors.Is(err, answer) {
		return nil
	}
	return err
}

// CloseFD closes a descriptor; a negative one is none.
func CloseFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// most is how many bytes of a file are read: several times what a Plan can have.
const most = 64 << 20

// ReadFile reads a whole regular file of at most 64 MiB. The error is an *os.PathError.
func ReadFile(path string) ([]byte, error) { return readFile(path, make([]byte, 0, 4096)) }

// buffers are for files of which nothing is kept: who lists containers reads two
// for each.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// useFile is ReadFile for who is done with the bytes when use returns.
func useFile(path string, use func(b []byte) error) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if *buf == nil {
		*buf = make([]byte, 0, 8192)
	}
	b, err := readFile(path, *buf)
	if err != nil {
		return err
	}
	return use(b)
}

func readFile(path string, buf []byte) ([]byte, error) {
	fd, size, err := openRegular(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer CloseFD(fd)
	for {
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if len(buf)+n > most {
			return nil, &os.PathError{Op: "read", Path: path, Err: errTooLarge}
		}
		// A file of /proc has no size.
		if n == 0 || int64(len(buf)+n) == size {
			return buf[:len(buf)+n], nil
		}
		if buf = buf[:len(buf)+n]; len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// ReplaceFile makes path hold b, all of it or what it held before.
func ReplaceFile(path string, b []byte, mode uint32) error {
	tmp := path + ".new"
	if err := WriteFile(tmp, b, mode); err != nil {
		return err
	}
	if err := unix.Rename(tmp, path); err != nil {
		return &os.LinkError{Op: "rename", Old: tmp, New: path, Err: err}
	}
	return nil
}

// WriteFile makes path hold b and nothing else. Cut off it leaves a part.
func WriteFile(path string, b []byte, mode uint32) error {
	fd, _, err := openRegular(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			CloseFD(fd)
			return &os.PathError{Op: "write", Path: path, Err: err}
		}
		b = b[max(n, 0):]
	}
	if err := unix.Close(fd); err != nil {
		return &os.PathError{Op: "close", Path: path, Err: err}
	}
	return nil
}

var (
	errNotRegular = errors.New("it is not a regular file")
	errTooLarge   = fmt.Errorf("it has more than %d MiB", most>>20)
)

// openRegular opens a file that must be a regular one, and does not wait to
// find out: a FIFO would keep every command of a state directory waiting. It tells
// the file's size.
func openRegular(path string, flags int, mode uint32) (fd int, size int64, err error) {
	fd, err = Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EOPNOTSUPP) {
		err = errNotRegular // a socket, which Linux and NetBSD refuse in these words
	}
	if err != nil {
		return -1, 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		CloseFD(fd)
		return -1, 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, st.Size, nil
}

// Open is open(2), again after a signal, of what closes with an exec.
func Open(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// Remove removes a file (unlink(2)); one that is not there is fine.
func Remove(path string) error {
	if err := unix.Unlink(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
