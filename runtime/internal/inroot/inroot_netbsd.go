package inroot

import (
	"errors"

	"golang.org/x/sys/unix"
)

// DirFlags opens one directory of a walk, never through a link. NetBSD has no
// O_PATH: the directory must be readable, which it is for root.
const DirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// IsLink tells whether an open with O_NOFOLLOW may have met a link:
// NetBSD answers EFTYPE for one (open(2)).
func IsLink(err error) bool {
	return errors.Is(err, unix.EFTYPE) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
