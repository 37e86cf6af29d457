package sys

// Detached mounts: made aside, and moved to an open file, so that no path is
// looked up.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetMountAttrs restricts a detached mount and all mounts below it: "read-only"
// that stops at the first submount would surprise. attrs are MOUNT_ATTR_* of
// mount_setattr(2); 0 changes nothing.
func SetMountAttrs(mnt int, attrs uintptr) error {
	if attrs == 0 {
		return nil
	}
	attr := &unix.MountAttr{Attr_set: uint64(attrs)}
	if attrs&unix.MOUNT_ATTR_NOATIME != 0 {
		attr.Attr_clr = unix.MOUNT_ATTR__ATIME
	}
	if err := unix.MountSetattr(mnt, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("set mount flags: %w", err)
	}
	return nil
}
