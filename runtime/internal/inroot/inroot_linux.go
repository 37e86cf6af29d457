package inroot

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// DirFlags opens one directory of a walk, never through a link.
const DirFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// IsLink tells whether an open with O_NOFOLLOW may have met a link.
func IsLink(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// OpenFile resolves p, following links inside the root, and opens the final
// object with flags (O_NOFOLLOW and O_CLOEXEC are added).
func (r Dir) OpenFile(p string, flags int, mode uint32) (int, error) {
	fd, err := r.Final(p, false, func(dirfd int, name string) (int, error) {
		return unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	})
	if err != nil {
		return -1, fmt.Errorf("open %s in the root: %w", p, err)
	}
	return fd, nil
}

// MakeFile resolves p, making missing directories and an empty file where
// nothing is there, and returns the file opened without following a link.
func (r Dir) MakeFile(p string, flags int) (int, error) {
	fd, err := r.Final(p, true, func(dirfd int, name string) (int, error) {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.ENOENT) {
			return fd, err
		}
		fd, err = unix.Openat(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return -1, err
		}
		sys.CloseFD(fd)
		return unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, fmt.Errorf("make file %s in the root: %w", p, err)
	}
	return fd, nil
}
