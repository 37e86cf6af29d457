package bundle

// The directory that a bundle is, from the first moment to the last. The one above
// may belong to somebody else, who can rename and replace what is in it at any
// time: so nothing is done by a path twice. What was opened is filled, and it is
// the bundle only if it still has the name in the end.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/inroot"
)

// bundle is a bundle directory being filled.
type bundle struct {
	path   string
	parent *os.Root
	name   string // in parent
	dir    *os.Root
	made   bool // by us, so removed by us
	// mode is what a directory that was there before had, and gets back.
	mode os.FileMode
}

// newBundle opens the directory and makes the rootfs in it.
func newBundle(path string) (*bundle, error) {
	b, err := openBundle(path, false)
	if err != nil {
		return nil, err
	}
	if err = b.dir.Mkdir(rootfsName, 0o755); err == nil {
		err = b.dir.Chmod(rootfsName, 0o755) // whatever the umask
	}
	if err != nil {
		return nil, errors.Join(err, b.close(true))
	}
	return b, nil
}

// openBundle makes the directory, for its owner only (an image's set-id
// programs and devices are not for other users of the host). A
// directory that is there is closed to others until close: nobody may swap
// names in a tree that is being made, or run what is half made. With fresh, one that
// is there is an error.
func openBundle(path string, fresh bool) (_ *bundle, err error) {
	b := &bundle{path: path}
	if b.parent, b.name, err = openParent(path); err != nil {
		return nil, err
	}
	err = b.parent.Mkdir(b.name, 0o700)
	if b.made = err == nil; err == nil || errors.Is(err, fs.ErrExist) && !fresh {
		err = b.open()
	}
	if err == nil {
		err = b.seize()
	}
	if err == nil {
		return b, nil
	}
	if b.made {
		err = errors.Join(err, b.parent.Remove(b.name))
	}
	if b.dir != nil {
		err = errors.Join(err, b.dir.Close())
	}
	return nil, errors.Join(err, b.parent.Close())
}

// openParent opens the directory above, and gives the name in it. A link is
// followed only if it is ours, or root's: another user's leads anywhere.
func openParent(path string) (parent *os.Root, name string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	fi, err := os.Lstat(path) //nolint:forbidigo // the operator's own path
	if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		if !isOurs(fi, os.Geteuid()) {
			return nil, "", fmt.Errorf("%s is another user's link: name a directory", path)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil { //nolint:forbidigo // as above
			return nil, "", err
		}
	}
	if name = filepath.Base(path); name == "/" {
		name = "."
	}
	parent, err = os.OpenRoot(filepath.Dir(path))
	return parent, name, err
}

// isOurs tells whether a file is the caller's, whose user id is given, or root's.
func isOurs(fi fs.FileInfo, euid int) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == euid || st.Uid == 0)
}

// open opens the directory, if it is one and no link to one. With "/." what is none
// is an error, also a FIFO, which would wait for a writer.
func (b *bundle) open() (err error) {
	if b.dir, err = b.parent.OpenRoot(b.name + "/."); err != nil {
		return fmt.Errorf("%s: %w", b.path, err)
	}
	if err = b.check(); err != nil {
		err = errors.Join(err, b.dir.Close())
		b.dir = nil
	}
	return err
}

// check tells whether the directory still has its name.
func (b *bundle) check() error {
	is, err := b.dir.Stat(".")
	if err != nil {
		return err
	}
	named, err := b.parent.Lstat(b.name)
	if err != nil || !os.SameFile(is, named) {
		return fmt.Errorf("%s was replaced while it was used: whoever can write to %s did that: name a directory elsewhere", b.path, filepath.Dir(b.path))
	}
	return nil
}

// seize closes the directory to others, if it is ours and empty.
func (b *bundle) seize() error {
	fi, err := b.dir.Stat(".")
	if err != nil {
		return err
	}
	b.mode = fi.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user, who could change what is made in it: name a new directory", b.path)
	}
	if err := b.checkEmpty(); err != nil || b.mode.Perm() == 0o700 {
		return err
	}
	return b.shut()
}

// shut closes the directory to others. Who came before may have left something.
func (b *bundle) shut() error {
	if err := b.dir.Chmod(".", 0o700); err != nil {
		return err
	}
	if err := b.checkEmpty(); err != nil {
		return errors.Join(err, b.reopen())
	}
	return nil
}

// reopen gives the directory its mode back.
func (b *bundle) reopen() error { return b.dir.Chmod(".", b.mode) }

func (b *bundle) checkEmpty() error {
	f, err := b.dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	switch {
	case len(names) == 0:
		return nil
	case slices.Contains(names, rootfsName) && !slices.Contains(names, configName):
		return fmt.Errorf("%s holds a rootfs without %s, as an interrupted unpack leaves it: remove it or name another directory", b.path, configName)
	default:
		return fmt.Errorf("%s is not empty: name a new directory", b.path)
	}
}

// close lets go of the bundle; after a failure it removes what was made.
func (b *bundle) close(failed bool) error {
	if !failed {
		return errors.Join(b.reopen(), b.dir.Close(), b.parent.Close())
	}
	err := errors.Join(b.removeAll(), b.reopen(), b.dir.Close())
	if b.made {
		err = errors.Join(err, b.parent.Remove(b.name))
	}
	err = errors.Join(err, b.parent.Close())
	if err != nil {
		return fmt.Errorf("clean up %s: %w", b.path, err)
	}
	return nil
}

// removeAll empties the bundle, directories that forbid it to their owner
// included.
func (b *bundle) removeAll() error {
	f, err := b.dir.Open(".")
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	t.Deepen(1) // rootfs has its full depth below the bundle
	for _, name := range []string{rootfsName, originTemp, originName, configTemp, configName} {
		err = errors.Join(err, t.Remove(name))
	}
	return errors.Join(err, t.Close())
}

// dropFile removes a file of the bundle, if it is there.
func (b *bundle) dropFile(name string) error { return ignoreMissing(b.dir.Remove(name)) }

// removeFiles removes what there is of these in the bundle at a path; "." is the
// bundle itself. A missing bundle is no error.
func removeFiles(path string, names ...string) (err error) {
	b := &bundle{path: path}
	if b.parent, b.name, err = openParent(path); err != nil {
		return ignoreMissing(err)
	}
	defer func() { err = errors.Join(err, b.parent.Close()) }()
	if err := b.open(); err != nil {
		return ignoreMissing(err)
	}
	defer func() { err = errors.Join(err, b.dir.Close()) }()
	for _, name := range names {
		if name == "." {
			err = b.parent.Remove(b.name)
		} else {
			err = b.dropFile(name)
		}
		if err = ignoreMissing(err); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
