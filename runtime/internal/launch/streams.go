package launch

// The process's standard descriptors: the caller's own, or files that it gives.

import (
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// checkStreams refuses a directory as one of the container's first three
// descriptors: it would lead out of the root (openat(2)).
func (c Caller) checkStreams() error {
	for fd := range stdio {
		var st unix.Stat_t
		err := c.onStream(fd, func(fd int) error { return unix.Fstat(fd, &st) })
		if err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("descriptor %d is a directory: a container must not inherit one", fd)
		}
	}
	return nil
}

// onStream calls f with what becomes descriptor n.
func (c Caller) onStream(n int, f func(fd int) error) error {
	switch {
	case c.Streams == nil:
		return f(n)
	case c.Streams[n] == nil:
		return nil // the null device
	}
	return control(c.Streams[n], f)
}

// control calls f with a file's descriptor, which stays open meanwhile.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// openStreams gives the descriptors that become the process's first three. Those
// of files are our own, and none of the three to be: the caller may close its
// files meanwhile, and none covers another.
func (c Caller) openStreams() (s process.Streams, err error) {
	s = process.OwnStreams
	if c.Streams == nil {
		return s, nil
	}
	s = process.Streams{-1, -1, -1}
	for i, file := range c.Streams {
		if s[i], err = openStream(file); err != nil {
			s.Close()
			return s, fmt.Errorf("descriptor %d: %w", i, err)
		}
	}
	return s, nil
}

func openStream(file *os.File) (fd int, err error) {
	if file == nil {
		null, err := sys.Open(os.DevNull, unix.O_RDWR, 0)
		if err != nil {
			return -1, err
		}
		defer sys.CloseFD(null)
		return unix.FcntlInt(uintptr(null), unix.F_DUPFD_CLOEXEC, stdio)
	}
	fd = -1 // and not 0, which is the caller's
	err = control(file, func(from int) error {
		if fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, stdio); err != nil {
			return err
		}
		return unix.SetNonblock(fd, false)
	})
	if err != nil {
		sys.CloseFD(fd)
		return -1, err
	}
	return fd, nil
}
