// What Linux has of its own: extended attributes, no file flags, and mknodat
// as the x/sys package gives it.

package tree

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrnoNoFollow is what open(2) says of a link with O_NOFOLLOW.
const ErrnoNoFollow = unix.ELOOP

// SyncFileSystem writes the file system of fd to the disk (syncfs(2)).
func SyncFileSystem(fd int) error { return unix.Syncfs(fd) }

// systemHasFlags: what Linux has is something else, of some file systems.
const SystemHasFlags = false

func SetFileFlags(int, uint32) error { return unix.EOPNOTSUPP }

func clearFlags(int, string) bool { return false }

func FlagsOf(*unix.Stat_t) uint32 { return 0 }

func GenerationOf(*unix.Stat_t) uint32 { return 0 }

func Mknodat(dir int, name string, mode uint32, dev uint64) error {
	return unix.Mknodat(dir, name, mode, int(dev))
}

// xattrPath names an entry for the l*xattr calls, which have no form with a
// directory: the magic link leads to the open directory, the last component
// is not followed.
func xattrPath(dir int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
}

func SetXattr(dir int, name, attr string, value []byte) error {
	return unix.Lsetxattr(xattrPath(dir, name), attr, value, 0)
}

func RemoveXattr(dir int, name, attr string) error {
	return unix.Lremovexattr(xattrPath(dir, name), attr)
}

// ListXattrs gives the names of an entry's attributes.
func ListXattrs(dir int, name string) ([]string, error) {
	path := xattrPath(dir, name)
	buf := make([]byte, 1024)
	for {
		n, err := unix.Llistxattr(path, buf)
		if err == unix.ERANGE {
			buf = make([]byte, 4*len(buf))
			continue
		}
		if err != nil || n == 0 {
			return nil, err
		}
		return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
	}
}

func GetXattr(dir int, name, attr string) ([]byte, error) {
	path := xattrPath(dir, name)
	buf := make([]byte, 1024)
	for {
		n, err := unix.Lgetxattr(path, attr, buf)
		if err == unix.ERANGE {
			buf = make([]byte, 4*len(buf))
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}
