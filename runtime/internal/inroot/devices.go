package inroot

// What both systems check and set on a device node in the container's /dev.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// CheckDevice makes sure that the node is what it should be.
func CheckDevice(dirfd int, name string, mode uint32, dev uint64) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := mode & unix.S_IFMT
	if st.Mode&unix.S_IFMT != kind || kind != unix.S_IFIFO && st.Rdev != dev {
		return errors.New("the image has another file there: remove it, or mount a tmpfs on /dev")
	}
	return nil
}

func SetDeviceOwner(dirfd int, name string, d oci.Device) error {
	uid, gid := 0, 0
	if d.UID != nil {
		uid = int(*d.UID)
	}
	if d.GID != nil {
		gid = int(*d.GID)
	}
	if uid == 0 && gid == 0 {
		return nil
	}
	if err := unix.Fchownat(dirfd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	return nil
}
