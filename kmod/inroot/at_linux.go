package inroot

// What Linux has of its own: extended attributes, no file flags, and mknodat
// as the x/sys package gives it.

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dirFlags opens one directory of a path.
const dirFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// IsNotDir tells whether a directory was not entered because the name is
// something else, perhaps a link. The errno differs between kernels.
func IsNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) }

func mknodat(dir int, name string, mode uint32, dev uint64) error {
	return unix.Mknodat(dir, name, mode, int(dev))
}

// chmodOpened is chmod where the kernel doesn't have fchmodat2 (before 6.6), or
// where the name is a link at the moment: both are EOPNOTSUPP. What was opened
// can't be swapped any more. /proc has its only way to fchmod(2) a descriptor
// that is open for nothing; without /proc it is an error.
func (d at) chmodOpened(name string, mode uint32) error {
	fd, err := d.open(name, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ELOOP
	}
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
}

// Mount is a file system, mounted somewhere. Two are equal if they are one.
type Mount struct{ dev, id uint64 }

// mount is the mount that a directory is in. By its device alone a bind mount is not told
// from what it shows. Before Linux 5.8 no more is known.
func (d at) mount() (Mount, error) {
	var st unix.Statx_t
	err := unix.Statx(int(d), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st)
	return Mount{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Mnt_id}, err
}

// What Linux calls file flags is something else, of some file systems.
func (d at) setFlags(string, uint32) error { return unix.EOPNOTSUPP }

func (d at) clearFlags(string) bool { return false }

// xattrPath names an entry for the l*xattr calls, which have no form with a
// directory: the magic link leads to the open directory, the last component
// is not followed.
func (d at) xattrPath(name string) (string, error) {
	if err := one(name); err != nil {
		return "", err
	}
	return "/proc/self/fd/" + strconv.Itoa(int(d)) + "/" + name, nil
}

func (d at) setXattr(name, attr string, value []byte) error {
	path, err := d.xattrPath(name)
	if err != nil {
		return err
	}
	return unix.Lsetxattr(path, attr, value, 0)
}

func (d at) removeXattr(name, attr string) error {
	path, err := d.xattrPath(name)
	if err != nil {
		return err
	}
	return unix.Lremovexattr(path, attr)
}

func (d at) listXattrs(name string) ([]string, error) {
	path, err := d.xattrPath(name)
	if err != nil {
		return nil, err
	}
	list, err := grown(func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
	if len(list) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00"), nil
}

func (d at) getXattr(name, attr string) ([]byte, error) {
	path, err := d.xattrPath(name)
	if err != nil {
		return nil, err
	}
	return grown(func(buf []byte) (int, error) { return unix.Lgetxattr(path, attr, buf) })
}

// grown calls get with buffers that grow until the answer fits.
func grown(get func(buf []byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 1024)
	for {
		n, err := get(buf)
		if errors.Is(err, unix.ERANGE) {
			buf = make([]byte, 4*len(buf))
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

// syncFileSystem has the file system of f on the disk (syncfs(2)), and tells that
// all of it is.
func syncFileSystem(f *os.File) (all bool, err error) { return true, unix.Syncfs(int(f.Fd())) }
