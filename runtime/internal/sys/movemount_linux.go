package sys

// Detached mounts: made aside, and moved to an open file, so that no path is
// looked up.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetMountAttrs restricts a mount that is open. attrs are MOUNT_ATTR_* of
// mount_setattr(2); 0 changes nothing.
func SetMountAttrs(mnt int, attrs uintptr) error { return setAttrs(mnt, attrs, 0) }

// SetTreeAttrs is SetMountAttrs for the mounts below it as well.
func SetTreeAttrs(mnt int, attrs uintptr) error { return setAttrs(mnt, attrs, unix.AT_RECURSIVE) }

// ReplaceMountAttrs gives a mount these attributes and no others.
func ReplaceMountAttrs(mnt int, attrs uintptr) error {
	const all = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR__ATIME
	return change(mnt, &unix.MountAttr{Attr_set: uint64(attrs), Attr_clr: all}, 0)
}

func setAttrs(mnt int, attrs uintptr, flags uint) error {
	if attrs == 0 {
		return nil
	}
	attr := &unix.MountAttr{Attr_set: uint64(attrs)}
	if attrs&unix.MOUNT_ATTR__ATIME != 0 {
		attr.Attr_clr = unix.MOUNT_ATTR__ATIME
	}
	return change(mnt, attr, flags)
}

func change(mnt int, attr *unix.MountAttr, flags uint) error {
	if err := unix.MountSetattr(mnt, "", unix.AT_EMPTY_PATH|flags, attr); err != nil {
		return fmt.Errorf("set mount flags: %w", err)
	}
	return nil
}

// CloneMount makes one more detached mount of what an attached one shows.
func CloneMount(mnt int) (int, error) {
	fd, err := unix.OpenTree(mnt, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, fmt.Errorf("clone mount: %w", err)
	}
	return fd, nil
}
