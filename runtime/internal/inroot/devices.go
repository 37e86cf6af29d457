package inroot

// What both systems make, check and set in the container's /dev.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// MakeLink makes a symbolic link where nothing is yet. A directory that cannot
// be written is left as it is: links are a convenience.
func (r Dir) MakeLink(target, p string) error {
	err := r.InParent(p, func(dirfd int, name string) error {
		return unix.Symlinkat(target, dirfd, name)
	})
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}

// CheckDevice makes sure that a node has the type and number that it should
// have (mode and dev as mknod(2) takes them).
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

// SetDeviceOwner gives a node that was just made to its user and group; without
// any it stays root's.
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
