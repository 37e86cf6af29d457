package runtime

import (
	"errors"

	"golang.org/x/sys/unix"
)

// openDir opens one directory of a walk, never through a link. NetBSD has no
// O_PATH: the directory must be readable, which it is for root.
const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// isLinkError tells whether an open with O_NOFOLLOW may have met a link:
// NetBSD answers EFTYPE for one (open(2)).
func isLinkError(err error) bool {
	return errors.Is(err, unix.EFTYPE) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
