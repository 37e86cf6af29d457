package inroot

// The mode of what was just made, where the umask has taken from it. The umask
// is the whole process's on NetBSD, so it can't be changed for a moment.

import (
	"errors"

	"golang.org/x/sys/unix"
)

const permissions = 0o7777

// setDirMode gives a directory that was just made its mode. By a descriptor: a
// name can be another file's by now, and be it one with two names.
func (d at) setDirMode(name string, mode uint32) error {
	fd, err := d.openDir(name)
	if err != nil {
		return err
	}
	defer fd.close()
	return unix.Fchmod(int(fd), mode)
}

// setNodeMode gives a node that was just made its mode. To open a device can have
// effects, so it is done by its name, where nobody can give that to another file.
func (d at) setNodeMode(name string, mode uint32) error {
	var st unix.Stat_t
	if err := d.lstat(name, &st); err != nil || uint32(st.Mode)&permissions == mode&permissions {
		return err
	}
	held, err := d.holdsNames()
	if err != nil {
		return err
	}
	if !held {
		return errors.New("its directory can be written by others than root: make it root's, or sticky, or give the device a mode that the umask leaves")
	}
	return d.chmod(name, mode&permissions)
}

// holdsNames tells whether nobody but root can rename what root has made in the
// directory.
func (d at) holdsNames() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d), &st); err != nil {
		return false, err
	}
	const sticky, others = unix.S_ISVTX, 0o022
	return st.Uid == 0 && (uint32(st.Mode)&others == 0 || uint32(st.Mode)&sticky != 0), nil
}
