package inroot

// The *at system calls, repeated when a signal interrupts them. Each takes one
// component, and none of them follows it.

import (
	"cmp"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// at is an open directory.
type at int

const closed at = -1

var errComponent = errors.New("not one component of a path")

// one refuses a name that could lead elsewhere than into the directory.
func one(name string) error {
	if name == "" || name == ".." || strings.IndexByte(name, '/') >= 0 {
		return errComponent
	}
	return nil
}

func (d at) close() {
	if d != closed {
		_ = unix.Close(int(d))
	}
}

// open opens a name close-on-exec.
func (d at) open(name string, flags int, mode uint32) (int, error) {
	if err := one(name); err != nil {
		return -1, err
	}
	for {
		fd, err := unix.Openat(int(d), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// create makes a regular file and opens it to be written. EEXIST if the name is
// taken, whatever by.
func (d at) create(name string, mode uint32) (int, error) {
	return d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
}

// openRegular opens a regular file to be read, and looks at it. What else it may
// be by now is neither waited for nor becomes the terminal of ours.
func (d at) openRegular(name string, st *unix.Stat_t) (int, error) {
	fd, err := d.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Fstat(fd, st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		return fd, nil
	}
	at(fd).close()
	return -1, cmp.Or(err, errNotRegular)
}

// openDir opens a directory, to be read.
func (d at) openDir(name string) (at, error) {
	fd, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	return at(fd), err
}

func (d at) lstat(name string, st *unix.Stat_t) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Fstatat(int(d), name, st, unix.AT_SYMLINK_NOFOLLOW)
}

func (d at) readlink(name string) (string, error) {
	if err := one(name); err != nil {
		return "", err
	}
	buf := make([]byte, 4096) // PATH_MAX is at most this
	n, err := unix.Readlinkat(int(d), name, buf)
	if err != nil {
		return "", err
	}
	if n == len(buf) {
		return "", unix.ENAMETOOLONG
	}
	return string(buf[:n]), nil
}

func (d at) mkdir(name string, mode uint32) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Mkdirat(int(d), name, mode)
}

func (d at) symlink(target, name string) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Symlinkat(target, int(d), name)
}

// mknod makes a device node or a FIFO.
func (d at) mknod(name string, mode uint32, dev uint64) error {
	if err := one(name); err != nil {
		return err
	}
	return mknodat(int(d), name, mode, dev)
}

// link gives what old is in d, and be it a link, the name name in to.
func (d at) link(old string, to at, name string) error {
	if err := errors.Join(one(old), one(name)); err != nil {
		return err
	}
	return unix.Linkat(int(d), old, int(to), name, 0)
}

// rename gives old the name name, which it takes from what has it.
func (d at) rename(old, name string) error {
	if err := errors.Join(one(old), one(name)); err != nil {
		return err
	}
	return unix.Renameat(int(d), old, int(d), name)
}

func (d at) unlink(name string) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Unlinkat(int(d), name, 0)
}

// move gives a file another name in another directory, in place of an empty
// directory if there is one.
func (d at) move(name string, to at, as string) error {
	if err := errors.Join(one(name), one(as)); err != nil {
		return err
	}
	return unix.Renameat(int(d), name, int(to), as)
}

func (d at) rmdir(name string) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Unlinkat(int(d), name, unix.AT_REMOVEDIR)
}

func (d at) chown(name string, uid, gid int) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.Fchownat(int(d), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// chmod sets the mode of something that is not a link, whatever the name
// becomes meanwhile.
func (d at) chmod(name string, mode uint32) error {
	if err := one(name); err != nil {
		return err
	}
	err := unix.Fchmodat(int(d), name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.EOPNOTSUPP) { // also from x/sys, where the kernel does not have the call
		return d.chmodOpened(name, mode)
	}
	return err
}

// setTimes sets the modification time, and the access time to the same: it
// is what reading a fresh tree gives on every host.
func (d at) setTimes(name string, mtime unix.Timespec) error {
	if err := one(name); err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(d), name, []unix.Timespec{mtime, mtime}, unix.AT_SYMLINK_NOFOLLOW)
}
