// What Linux has of its own: extended attributes, no file flags, and mknodat
// as the x/sys package gives it.

package image

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// errnoNoFollow is what open(2) says of a link with O_NOFOLLOW.
const errnoNoFollow = unix.ELOOP

// syncFileSystem writes the file system of fd to the disk (syncfs(2)).
func syncFileSystem(fd int) error { return unix.Syncfs(fd) }

// systemHasFlags: what Linux has is something else, of some file systems.
const systemHasFlags = false

func setFileFlags(int, uint32) error { return unix.EOPNOTSUPP }

func clearFlags(int, string) bool { return false }

func flagsOf(*unix.Stat_t) uint32 { return 0 }

func generationOf(*unix.Stat_t) uint32 { return 0 }

func mknodat(dir int, name string, mode uint32, dev uint64) error {
	return unix.Mknodat(dir, name, mode, int(dev))
}

// xattrPath names an entry for the l*xattr calls, which have no form with a
// directory: the magic link leads to the open directory, the last component
// is not followed.
func xattrPath(dir int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
}

func setXattr(dir int, name, attr string, value []byte) error {
	return unix.Lsetxattr(xattrPath(dir, name), attr, value, 0)
}

func removeXattr(dir int, name, attr string) error {
	return unix.Lremovexattr(xattrPath(dir, name), attr)
}

// listXattrs gives the names of an entry's attributes.
func listXattrs(dir int, name string) ([]string, error) {
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

func getXattr(dir int, name, attr string) ([]byte, error) {
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
