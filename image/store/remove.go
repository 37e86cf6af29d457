package store

// The one way to take something out of the store. A name under blobs/, cells/ or
// unpacked/ stands for something whole, so what is removed gives up its name
// first, in one step: it moves to ingest/ under a name that only leftovers
// have. Whoever is killed after that has left nothing that could be used.

import (
	"errors"
	"fmt"
	"path"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// remove removes a file or directory of the store. A missing one is no error.
// Nothing is removed below a mount point: what is mounted in a root file system
// is not ours.
func (s *Store) remove(name string) error {
	err := s.inTree(name, func(t *inroot.Tree, base string) error {
		var st unix.Stat_t
		if err := t.Stat(&st); err != nil {
			return err
		}
		return noMounts(t, base, uint64(st.Dev))
	})
	if err == nil && path.Dir(name) != ingestDir {
		name, err = s.takeAway(name)
	}
	if err == nil {
		err = s.inTree(name, func(t *inroot.Tree, base string) error { return t.Remove(base) })
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// takeAway moves what has the name to where only leftovers are, and gives its
// name there. A shared root file system outlives a power failure, so it is
// gone for good before anything in it goes.
func (s *Store) takeAway(name string) (left string, err error) {
	if err := s.root.MkdirAll(ingestDir, 0o700); err != nil {
		return "", err
	}
	left = ingestDir + "/" + tempName()
	if err := s.root.Rename(name, left); err != nil {
		return "", err
	}
	if path.Dir(name) == UnpackedDir {
		err = errors.Join(s.syncDir(ingestDir), s.syncDir(UnpackedDir))
	}
	return left, err
}

// inTree calls do with the directory that has the name, and the name in it.
func (s *Store) inTree(name string, do func(t *inroot.Tree, base string) error) error {
	dir, err := s.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(dir)
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	t.Deepen(2) // a root file system has its full depth below
	return errors.Join(do(t, path.Base(name)), t.Close())
}

// noMounts looks for another file system at or below name.
func noMounts(t *inroot.Tree, name string, dev uint64) error {
	var st unix.Stat_t
	if err := t.Lstat(name, &st); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	if uint64(st.Dev) != dev {
		return fmt.Errorf("%s is a mounted file system: unmount it first", image.Quote(t.Join(name)))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	depth := t.Depth()
	if err := t.Push(name); err != nil {
		return err
	}
	names, err := t.Names()
	for _, n := range names {
		if err == nil {
			err = noMounts(t, n, dev)
		}
	}
	return errors.Join(err, t.Leave(depth))
}
