package hostroot

// Taking a container's mounts away again, also after a create or a delete that
// was killed, or with a container that moved things about.

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// unmountPatience is how long a mount may stay busy after the last process is
// gone; a test shortens it.
var unmountPatience = 5 * time.Second

// soon is how long it usually does: the kernel lets go of a process's files some time
// after its end.
const soon = 50 * time.Millisecond

// maxStacked is how often somebody may have mounted on the same place.
const maxStacked = 4

// Unmount unmounts all of a container's mounts, the newest first, and
// removes the root's mount point, which proves that nothing is left on it. It
// forces nothing but terminals: a process that is still there must not lose
// its files. What was mounted for a create that came to its end is checked, see
// mountOn: it lies in the root.
func Unmount(k Kernel, root string, recorded []string, checked bool) error {
	if checked && unmountRecorded(k, root, recorded) {
		return nil
	}
	table, err := k.table()
	if err != nil {
		return err
	}
	for _, m := range ownMounts(table, root, recorded) {
		if err := unmountPoint(k, m, unmountPatience); err != nil {
			return whyBusy(k, m.on, err)
		}
	}
	if table, err = k.table(); err != nil {
		return err
	}
	if left := ownMounts(table, root, recorded); len(left) > 0 {
		return fmt.Errorf("still mounted, but not to be found there: %q: unmount them by hand", mountPoints(left))
	}
	if err := os.Remove(root); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the root's mount point: %w", err)
	}
	return nil
}

// unmountRecorded unmounts what create has mounted in the root, and tells whether that
// was all: wherever a container has moved its mounts to, and whatever else is mounted
// below, a root with anything in it is busy. It spares most commands the whole table,
// which takes the kernel longer with each of the host's mounts, see checkCrowd.
func unmountRecorded(k Kernel, root string, recorded []string) bool {
	var last string
	for _, path := range slices.Backward(recorded) {
		if !inroot.Within(path, root) {
			return false
		}
		for range maxStacked {
			m, there, _ := mountAt(k, path) // what can't be looked at keeps the root busy
			if !there {
				break
			}
			if unmountPoint(k, m, soon) != nil {
				return false
			}
			last = path
		}
	}
	if last == root {
		return os.Remove(root) == nil
	}
	// As after an unmount before: what is mounted on can't be removed.
	_, err := os.Lstat(root) //nolint:forbidigo // the state directory is ours alone
	return errors.Is(err, os.ErrNotExist)
}

// whyBusy names the mounts that keep another one busy, because their
// directories are no longer where they were: nobody can unmount those.
func whyBusy(k Kernel, path string, err error) error {
	table, terr := k.table()
	if terr != nil {
		return err
	}
	var below []string
	for _, e := range table {
		if e.on != path && inroot.Within(e.on, path) {
			below = append(below, e.on)
		}
	}
	if len(below) == 0 {
		return err
	}
	return fmt.Errorf("%w; or what is mounted below it is in the way: somebody removed the directories of %q from the root filesystem, "+
		"so these mounts stay until a reboot", err, below)
}

// unmountPoint unmounts what was mounted at a path, if it is still there.
//
// A caller may hold a terminal's master beyond the container's end, as
// containerd does until delete has returned. That keeps a ptyfs busy and has
// nothing to lose: its slave is gone with the cell.
func unmountPoint(k Kernel, m mountEntry, patience time.Duration) error {
	force := false
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		_, there, err := mountAt(k, m.on)
		if !there {
			return err
		}
		err = k.unmount(m.on, force)
		switch {
		case err == nil, errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("unmount %s: %w", m.on, err)
		case time.Now().After(deadline):
			return fmt.Errorf("unmount %s: %w: a process uses it (fstat -f shows which)", m.on, err)
		}
		force = m.kind == fsPty
		time.Sleep(pause)
	}
}

// mountAt gives the mount at a path, if it still leads to one: the container could
// rename the directories on the way and put links in their place, and unmount(2) would
// follow those to the host's mounts.
func mountAt(k Kernel, path string) (e mountEntry, there bool, err error) {
	place, err := inroot.OpenPlace(path)
	switch {
	case errors.Is(err, unix.ENOENT), inroot.IsNotDir(err):
		return e, false, nil
	case err != nil:
		return e, false, fmt.Errorf("look at mount point %s: %w", path, err)
	}
	defer place.Close()
	if e, err = k.mountOf(place); err != nil {
		return e, false, fmt.Errorf("look at mount point %s: %w", path, err)
	}
	return e, e.on == path, nil
}
