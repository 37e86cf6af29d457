package inroot

// What NetBSD does differently: mknodat's padding, FIFOs, file flags, and no
// extended attributes. extattr(2) has other name spaces, tmpfs has none at all
// and FFS only on request.

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dirFlags opens one directory of a path. NetBSD has no O_PATH: the directory
// must be readable, which it is for root.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// IsNotDir tells whether a directory was not entered because the name is
// something else, perhaps a link: NetBSD answers EFTYPE for one (open(2)).
func IsNotDir(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EFTYPE)
}

// mknodat is mknodat(int fd, const char *path, mode_t mode, int PAD, dev_t
// dev): x/sys forgets the padding and so makes every device 0. dev_t has 64
// bits; on 32-bit ports it takes two words, on 64-bit ones the second word
// is ignored. It makes no FIFO.
func mknodat(dir int, name string, mode uint32, dev uint64) error {
	if mode&unix.S_IFMT == unix.S_IFIFO {
		return unix.Mkfifoat(dir, name, mode&0o7777)
	}
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_MKNODAT, uintptr(dir), uintptr(unsafe.Pointer(path)),
		uintptr(mode), 0, uintptr(dev), uintptr(dev>>32))
	if errno != 0 {
		return errno
	}
	return nil
}

// chmodOpened refuses: fchmodat(2) follows no link here, and a file system that
// can't do that has no other call for it.
func (d at) chmodOpened(string, uint32) error { return unix.EOPNOTSUPP }

// Mount is a file system, mounted somewhere. Two are equal if they are one.
type Mount struct{ dev uint64 }

// mount is the mount that a directory is in, which has a device of its own, be it what a
// null mount shows.
func (d at) mount() (Mount, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(d), &st)
	return Mount{dev: uint64(st.Dev)}, err
}

func (d at) setFlags(name string, bits uint32) error {
	fd, err := d.open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchflags(fd, int(bits))
}

// clearFlags takes away what keeps a file from being removed, and tells
// whether there was something.
func (d at) clearFlags(name string) bool {
	var st unix.Stat_t
	return d.lstat(name, &st) == nil && st.Flags != 0 && d.setFlags(name, 0) == nil
}

func (d at) setXattr(string, string, []byte) error { return unix.EOPNOTSUPP }

func (d at) removeXattr(string, string) error { return unix.EOPNOTSUPP }

func (d at) listXattrs(string) ([]string, error) { return nil, nil }

func (d at) getXattr(string, string) ([]byte, error) { return nil, unix.EOPNOTSUPP }

// syncFileSystem has all file systems begin to write (sync(2)): the kernel goes
// through their files with MNT_NOWAIT, so that their log may say what is not there
// yet.
func syncFileSystem(*os.File) (all bool, err error) { return false, unix.Sync() }
