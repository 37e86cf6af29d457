package store

// Mounts as NetBSD lists them (getvfsstat(2)). A cell's root is a null mount, or
// has mounts in it.

import (
	"errors"

	"golang.org/x/sys/unix"
)

func mountedPaths() ([]string, error) {
	n, err := unix.Getvfsstat(nil, unix.ST_NOWAIT)
	if err != nil {
		return nil, err
	}
	list := make([]unix.Statvfs_t, n+64)
	if n, err = unix.Getvfsstat(list, unix.ST_NOWAIT); err != nil {
		return nil, err
	}
	if n >= len(list) {
		return nil, errors.New("the mount table grows while it is read: try again")
	}
	var paths []string
	for i := range list[:n] {
		paths = append(paths, unix.ByteSliceToString(list[i].Mntfromname[:]), unix.ByteSliceToString(list[i].Mntonname[:]))
	}
	return paths, nil
}
