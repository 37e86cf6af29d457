package inroot

// Device nodes in a root.

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Node is a device node or a FIFO.
type Node struct {
	Mode     uint32 // with its type: S_IFCHR, S_IFBLK or S_IFIFO
	Dev      uint64 // its number as the system writes it
	UID, GID uint32
}

// MakeNode makes a node at p, whose last component is not followed, or takes
// one that is there and the same. Missing directories are made. EPERM if the
// system does not let us make one.
func (d *Dir) MakeNode(p string, n Node) error {
	return d.inParent(p, func(dir at, name string) error {
		err := dir.mknod(name, n.Mode, n.Dev)
		switch {
		case err == nil:
			if err := d.settle(dir, name, n); err != nil {
				return err
			}
		case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EROFS):
			var st unix.Stat_t
			if errors.Is(dir.lstat(name, &st), unix.ENOENT) {
				return err
			}
		default:
			return err
		}
		return dir.checkNode(name, n)
	})
}

// settle gives a new node its owner, and its mode if the umask has taken from it.
func (d *Dir) settle(dir at, name string, n Node) error {
	if n.UID != 0 || n.GID != 0 {
		if err := dir.chown(name, int(n.UID), int(n.GID)); err != nil {
			return fmt.Errorf("set owner: %w", err)
		}
	}
	if !d.exact {
		return nil
	}
	if err := dir.setNodeMode(name, n.Mode); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return nil
}

// CheckNode makes sure that p is the node, or that it is mounted there.
func (d *Dir) CheckNode(p string, n Node) error {
	return d.inParent(p, func(dir at, name string) error { return dir.checkNode(name, n) })
}

func (d at) checkNode(name string, n Node) error {
	var st unix.Stat_t
	if err := d.lstat(name, &st); err != nil {
		return err
	}
	kind := n.Mode & unix.S_IFMT
	if uint32(st.Mode)&unix.S_IFMT != kind || kind != unix.S_IFIFO && uint64(st.Rdev) != n.Dev {
		return errors.New("the image has another file there: remove it, or mount a tmpfs on /dev")
	}
	return nil
}
