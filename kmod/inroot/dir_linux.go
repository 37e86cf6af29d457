package inroot

// What the emulator's host can do with a root: it mounts on open files, and
// has O_PATH to open a place without any right to it.

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenMount makes a directory of the host a mount of its own, in the thread's
// mount namespace and with the mounts below it, and opens it. The umask applies
// to what is made in it: such a thread has its own.
func OpenMount(dir string) (*Dir, error) {
	fd, err := cloneMount(unix.AT_FDCWD, dir, 0)
	if err != nil {
		return nil, fmt.Errorf("clone root %s: %w", dir, err)
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		at(fd).close()
		return nil, fmt.Errorf("mount root %s: %w", dir, err)
	}
	return &Dir{fd: at(fd)}, nil
}

// cloneMount opens a copy of what is mounted at a place, and of what is mounted
// below it.
func cloneMount(dir int, path string, flags uint) (int, error) {
	return unix.OpenTree(dir, path, flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
}

// SetReadonly makes the mount that the directory is read-only, and none below
// it.
func (d *Dir) SetReadonly() error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(int(d.fd), "", unix.AT_EMPTY_PATH, attr)
}

// Chdir makes it the working directory of the thread, or of those that share
// theirs with it (CLONE_FS).
func (d *Dir) Chdir() error { return unix.Fchdir(int(d.fd)) }

// Find gives what p leads to.
func (d *Dir) Find(p string) (*Place, error) {
	place, err := d.find(p, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("open %s in the root: %w", p, err)
	}
	return place, nil
}

func (d *Dir) find(p string, flags int) (*Place, error) {
	place := &Place{fd: closed}
	err := d.atEnd(p, false, func(dir at, name string) error {
		fd, err := dir.open(name, flags, 0)
		place.fd = at(fd)
		if name == "." && dir == d.fd {
			place.path = "/"
		}
		return err
	})
	return place, err
}

// OpenDevice opens the character device that p leads to, and gives its
// descriptor. ENOTTY if it is another kind of file.
func (d *Dir) OpenDevice(p string, flags int) (int, error) {
	place, err := d.find(p, flags)
	if err == nil {
		var st unix.Stat_t
		if st, err = place.Stat(); st.Mode&unix.S_IFMT != unix.S_IFCHR {
			err = unix.ENOTTY
		}
	}
	if err != nil {
		place.Close()
		return -1, fmt.Errorf("open %s in the root: %w", p, err)
	}
	return int(place.fd), nil
}

// MakeFile gives what p leads to. Missing directories are made, and an empty
// file where nothing is there: mode 0644 less the umask.
func (d *Dir) MakeFile(p string) (*Place, error) {
	place := &Place{fd: closed}
	err := d.atEnd(p, true, func(dir at, name string) error {
		fd, err := dir.open(name, unix.O_PATH, 0)
		if errors.Is(err, unix.ENOENT) {
			if fd, err = dir.create(name, 0o644); err != nil {
				return err
			}
			at(fd).close()
			fd, err = dir.open(name, unix.O_PATH, 0)
		}
		place.fd = at(fd)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make file %s in the root: %w", p, err)
	}
	return place, nil
}

// NewFile makes an empty file at p, whose last component is not followed: mode
// 0666 less the umask. Missing directories are made. EEXIST if something is
// there.
func (d *Dir) NewFile(p string) (*Place, error) {
	place := &Place{fd: closed}
	err := d.inParent(p, func(dir at, name string) error {
		fd, err := dir.create(name, 0o666)
		place.fd = at(fd)
		return err
	})
	if err != nil {
		return nil, err
	}
	return place, nil
}

// Attach moves a detached mount onto the place.
func (p *Place) Attach(mnt int) error {
	return unix.MoveMount(mnt, "", int(p.fd), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// Freeze mounts a read-only clone of the place, and of all that is mounted
// below it, upon itself.
func (p *Place) Freeze() error {
	mnt, err := cloneMount(int(p.fd), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("clone mount: %w", err)
	}
	defer at(mnt).close()
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(mnt, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("set mount flags: %w", err)
	}
	return p.Attach(mnt)
}

// CopyTo copies what the directory holds to the one that mnt is, as CopyTree
// does. Both are opened by way of /proc.
func (p *Place) CopyTo(mnt int) error {
	src, err := openRoot(int(p.fd))
	if err != nil {
		return err
	}
	dst, err := openRoot(mnt)
	if err == nil {
		err = errors.Join(CopyTree(src, dst, "."), dst.Close())
	}
	return errors.Join(err, src.Close())
}

func openRoot(fd int) (*os.Root, error) { return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(fd)) }
