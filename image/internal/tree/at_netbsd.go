// What NetBSD does differently: mknodat's padding, FIFOs, and no extended
// attributes. extattr(2) has other name spaces, tmpfs has none at all and FFS
// only on request, so an image's attributes become a note there.

package tree

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrnoNoFollow is what open(2) says of a link with O_NOFOLLOW.
const ErrnoNoFollow = unix.EFTYPE

// SyncFileSystem has every file system written to the disk. NetBSD knows no
// call for one of them, and sync(2) may return a little before the end.
func SyncFileSystem(int) error { return unix.Sync() }

// Mknodat is mknodat(int fd, const char *path, mode_t mode, int PAD, dev_t
// dev): x/sys forgets the padding and so makes every device 0. dev_t has 64
// bits; on 32-bit ports it takes two words, on 64-bit ones the second word
// is ignored. It makes no FIFO.
func Mknodat(dir int, name string, mode uint32, dev uint64) error {
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

const SystemHasFlags = true

func SetFileFlags(fd int, bits uint32) error { return unix.Fchflags(fd, int(bits)) }

// clearFlags takes away what keeps a file from being removed, and tells
// whether there was something.
func clearFlags(dir int, name string) bool {
	var st unix.Stat_t
	if Lstatat(dir, name, &st) != nil || st.Flags == 0 {
		return false
	}
	fd, err := Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Fchflags(fd, 0) == nil
}

func FlagsOf(st *unix.Stat_t) uint32 { return st.Flags }

// GenerationOf tells files that had an inode one after the other apart.
func GenerationOf(st *unix.Stat_t) uint32 { return st.Gen }

func SetXattr(int, string, string, []byte) error { return unix.EOPNOTSUPP }

func RemoveXattr(int, string, string) error { return unix.EOPNOTSUPP }

func ListXattrs(int, string) ([]string, error) { return nil, nil }

func GetXattr(int, string, string) ([]byte, error) { return nil, unix.EOPNOTSUPP }
