package runtime

import (
	"errors"

	"golang.org/x/sys/unix"
)

// openDir opens one directory of a walk, never through a link.
const openDir = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// isLinkError tells whether an open with O_NOFOLLOW may have met a link.
func isLinkError(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
