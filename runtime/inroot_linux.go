package runtime

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// openDir opens one directory of a walk, never through a link.
const openDir = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// isLinkError tells whether an open with O_NOFOLLOW may have met a link.
func isLinkError(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// openAt resolves p, following links inside the root, and opens the final
// object with flags (O_NOFOLLOW and O_CLOEXEC are added).
func (r rootDir) openAt(p string, flags int, mode uint32) (int, error) {
	fd, err := r.final(p, false, func(dirfd int, name string) (int, error) {
		return unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	})
	if err != nil {
		return -1, fmt.Errorf("open %s in the root: %w", p, err)
	}
	return fd, nil
}

// makeFileAt resolves p, making missing directories and an empty file where
// nothing is there, and returns the file opened without following a link.
func (r rootDir) makeFileAt(p string, flags int) (int, error) {
	fd, err := r.final(p, true, func(dirfd int, name string) (int, error) {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.ENOENT) {
			return fd, err
		}
		fd, err = unix.Openat(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return -1, err
		}
		closeFD(fd)
		return unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, fmt.Errorf("make file %s in the root: %w", p, err)
	}
	return fd, nil
}
