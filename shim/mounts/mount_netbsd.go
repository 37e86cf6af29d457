package mounts

// NetBSD: a root is a directory, which package runtime mounts where it has to be.

import (
	"errors"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"
)

// makesRoots tells whether what is mounted on a bundle's rootfs is ours: here it can
// only be package runtime's.
const makesRoots = false

func mount(*types.Mount, string) error {
	return errors.New("only null mounts can make a root here, with no options but ro: use the snapshotter runcell, or native")
}

func unmount(target string, detach bool) error {
	how := 0
	if detach {
		how = unix.MNT_FORCE
	}
	return unix.Unmount(target, how)
}
