package inroot

// A tree is written to the disk, so that it is there after a power failure.

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SyncTree returns when the directory that f is, and all below it, is on the
// disk. What gets a name after that is whole, whatever happens. On Linux this
// is syncfs(2), for the whole file system. NetBSD has no such call: sync(2)
// begins all writes there and waits for none, so each file is waited for.
func SyncTree(f *os.File) error {
	if all, err := syncFileSystem(f); all || err != nil {
		return err
	}
	return syncEach(f, unix.Fsync)
}

// syncEach waits for each regular file and directory below f, and for f last. It is
// cheap for what is on its way already. Links and devices have nothing but
// their directory's entry and what belongs to it.
func syncEach(f *os.File, fsync func(fd int) error) error {
	t, err := OpenTree(f)
	if err != nil {
		return err
	}
	t.Deepen(1) // a tree of full depth may lie in a bundle
	err = t.syncHere(fsync)
	return errors.Join(err, t.Close())
}

func (t *Tree) syncHere(fsync func(fd int) error) error {
	names, err := t.Names()
	if err != nil {
		return fmt.Errorf("list %s: %w", quote(t.Path()), err)
	}
	for _, name := range names {
		if err := t.syncEntry(name, fsync); err != nil {
			return err
		}
	}
	return t.named(".", fsync(int(t.here())))
}

func (t *Tree) syncEntry(name string, fsync func(fd int) error) error {
	var st unix.Stat_t
	if err := t.Lstat(name, &st); err != nil {
		return t.named(name, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		depth := t.Depth()
		if err := t.Push(name); err != nil {
			return t.named(name, err)
		}
		return errors.Join(t.syncHere(fsync), t.Leave(depth))
	case unix.S_IFREG:
		fd, err := t.openAny(name, &st)
		if err == nil {
			err = fsync(fd)
			at(fd).close()
		}
		return t.named(name, err)
	}
	return nil
}

// openAny is openRegular also for a user whose own file's mode forbids it.
func (t *Tree) openAny(name string, st *unix.Stat_t) (int, error) {
	mode := uint32(st.Mode) & 0o7777
	fd, err := t.here().openRegular(name, st)
	if !errors.Is(err, unix.EACCES) || !t.loosen {
		return fd, err
	}
	if err := t.Chmod(name, mode|0o400); err != nil {
		return -1, err
	}
	fd, err = t.here().openRegular(name, st)
	return fd, errors.Join(err, t.Chmod(name, mode))
}

func (t *Tree) named(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", quote(t.Join(name)), err)
	}
	return nil
}
