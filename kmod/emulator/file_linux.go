package emulator

// Small files by plain system calls: package os would ask the poller about
// each, which doubles the calls, and a command reads a dozen of them.

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// readFile is os.ReadFile.
func readFile(path string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	b := make([]byte, 0, 1024)
	for {
		n, err := retry(func() (int, error) { return unix.Read(fd, b[len(b):cap(b)]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return b, nil
		}
		if b = b[:len(b)+n]; len(b) == cap(b) {
			b = append(b, make([]byte, len(b))...)[:len(b)]
		}
	}
}

// readOpen reads an open regular file, from its beginning.
func readOpen(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("it is not a regular file")
	}
	b := make([]byte, st.Size)
	for done := 0; done < len(b); {
		n, err := retry(func() (int, error) { return unix.Read(fd, b[done:]) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return b[:done], nil
		}
		done += n
	}
	return b, nil
}

// readRegular is readFile of what has to be a regular file.
func readRegular(path string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) })
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	return readOpen(fd)
}

// readLink gives what a symbolic link of ours leads to.
func readLink(path string) (string, error) {
	var b [unix.NAME_MAX]byte
	n, err := retry(func() (int, error) { return unix.Readlink(path, b[:]) })
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// unlink removes a file, if it is there.
func unlink(path string) error {
	if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// openDir opens a directory.
func openDir(dir string) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	})
}

// readNames lists a directory: at least n names if it has so many, all if n is
// negative. One that is missing has none.
func readNames(dir string, n int) ([]string, error) {
	fd, err := openDir(dir)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	size := 1 << 10
	if n < 0 {
		size = 1 << 15
	}
	b := make([]byte, size)
	var names []string
	for n < 0 || len(names) < n {
		got, err := retry(func() (int, error) { return unix.Getdents(fd, b) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: dir, Err: err}
		}
		if got == 0 {
			break
		}
		_, _, names = unix.ParseDirent(b[:got], -1, names)
	}
	return names, nil
}

// writeOnce writes with one call, and fails where a part had no room: that is
// there then.
func writeOnce(b []byte, write func([]byte) (int, error)) error {
	n, err := retry(func() (int, error) { return write(b) })
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// writeFile writes to a file, which it opens with flags, at once.
func writeFile(path string, flags int, b []byte) error {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|flags, 0o600) })
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	for len(b) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(fd, b) })
		if err != nil {
			_ = unix.Close(fd)
			return &os.PathError{Op: "write", Path: path, Err: err}
		}
		b = b[n:]
	}
	if err := unix.Close(fd); err != nil {
		return &os.PathError{Op: "close", Path: path, Err: err}
	}
	return nil
}
