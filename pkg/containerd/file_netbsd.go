package netbsd

// Files of layers: modes and attributes.

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// Lchmod sets the mode of path, with setuid, setgid and the sticky bit. It does
// not follow a symbolic link: that has a mode of its own. The error is a
// *fs.PathError with the errno of fchmodat(2).
func Lchmod(path string, mode fs.FileMode) error {
	if err := unix.Fchmodat(unix.AT_FDCWD, path, modeBits(mode), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "lchmod", Path: path, Err: err}
	}
	return nil
}

// Lsetxattr sets an extended attribute of path, not following a link. Its error
// is ENOTSUP if this system, the file system, or the name can't have it: names
// are those of Linux, and only user.* means the same here. A layer with other
// attributes, such as security.capability, is unpacked without them then.
func Lsetxattr(path, name string, value []byte) error {
	if !strings.HasPrefix(name, "user.") {
		return unix.ENOTSUP
	}
	// NetBSD's two errnos for this differ, and callers ask for one of them.
	err := unix.Lsetxattr(path, name, value, 0)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return unix.ENOTSUP
	}
	return err
}
