package snapshots

// What is done with a tree as a whole.

import (
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// below is how much deeper a tree lies below the directory that is opened for it.
const below = 3

// inTree opens a directory of ours as a tree.
func inTree(dir string, do func(t *inroot.Tree) error) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	t.Deepen(below)
	return errors.Join(do(t), t.Close())
}

// deepest is how deep a tree is measured: no image's is deeper, and a container's
// is nobody's to count.
const deepest = 512

// inode is a file, whatever its names.
type inode struct{ dev, ino uint64 }

// used is what a tree takes of the disk.
type used struct {
	size, inodes int64
	seen         map[inode]bool
	dev          uint64 // the tree's
}

// measure adds up what a tree takes. A file system that is mounted in it is not
// ours, and an error.
func measure(dir string) (used, error) {
	u := used{seen: map[inode]bool{}}
	err := inTree(dir, func(t *inroot.Tree) error {
		var st unix.Stat_t
		if err := t.Stat(&st); err != nil {
			return err
		}
		m, err := t.Mount()
		if err != nil {
			return err
		}
		u.dev = uint64(st.Dev)
		u.add(&st)
		return u.below(t, m)
	})
	return u, err
}

func (u *used) add(st *unix.Stat_t) {
	const block = 512 // st_blocks counts these, whatever the file system's are
	id := inode{uint64(st.Dev), st.Ino}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		if u.seen[id] {
			return
		}
		u.seen[id] = true
	}
	u.size += int64(st.Blocks) * block
	u.inodes++
}

func (u *used) below(t *inroot.Tree, ours inroot.Mount) error {
	names, err := t.Names()
	if err != nil {
		return fmt.Errorf("list %q: %w", t.Path(), err)
	}
	for _, name := range names {
		var st unix.Stat_t
		switch err := t.Lstat(name, &st); {
		case errors.Is(err, unix.ENOENT): // a container may be at work
			continue
		case err != nil:
			return fmt.Errorf("look at %q: %w", t.Join(name), err)
		case uint64(st.Dev) != u.dev:
			return mounted(t.Join(name))
		}
		u.add(&st)
		depth := t.Depth()
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || depth > deepest {
			continue
		}
		if err := t.Push(name); err != nil {
			if errors.Is(err, unix.ENOENT) || inroot.IsNotDir(err) {
				continue
			}
			return fmt.Errorf("enter %q: %w", t.Join(name), err)
		}
		if err := errors.Join(u.entered(t, ours), t.Leave(depth)); err != nil {
			return err
		}
	}
	return nil
}

// entered is below for a directory that something may be mounted upon.
func (u *used) entered(t *inroot.Tree, ours inroot.Mount) error {
	switch here, err := t.Mount(); {
	case err != nil:
		return fmt.Errorf("look at %q: %w", t.Path(), err)
	case here != ours:
		return mounted(t.Path())
	}
	return u.below(t, ours)
}

func mounted(path string) error {
	return fmt.Errorf("%q is a mounted file system: unmount it first", path)
}

// erase removes what has the name in a directory, and all below it.
func erase(dir, name string) error {
	return inTree(dir, func(t *inroot.Tree) error { return t.Remove(name) })
}
