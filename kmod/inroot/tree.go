package inroot

// A directory tree that is only ever entered one component at a time, through
// open directories. os.Root refuses absolute links, which images are full of;
// here a link in the middle of a path means what it will mean inside the
// cell. Nothing in this file can leave the tree: every system call gets one
// name relative to a directory that was itself opened without following a
// link.

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const maxDepth = 512 // directories below the root; each holds a descriptor

var errDeep = fmt.Errorf("more than %d directories deep", maxDepth)

// Tree is a stack of open directories, from the root to the current one. A
// directory gets its old modification time back when it is left. The names
// that methods take are those of the current directory, one component each,
// "." for itself; no method follows a link in its last component. Errors of
// the system are of type unix.Errno and not wrapped, unless a method says
// otherwise.
type Tree struct {
	stack []level
	// loosen lets a user who is not root enter and change directories whose
	// mode forbids it; the mode is put back on leaving.
	loosen  bool
	most    int // how deep the stack may get
	implied implied
}

// implied says what becomes of directories that are made because something is to
// be in them. Either function may be nil.
type implied struct {
	made   func() error           // called before each; its error is Enter's
	yields func(path string) bool // whether a file that is in the way goes
}

type level struct {
	name     string // in its parent
	path     string // from the root, without links, no leading slash
	dir      at
	mode     uint32
	gid      uint32
	mtime    unix.Timespec
	dirty    bool // an entry was added or removed
	loosened bool
}

// OpenTree opens the directory that f is; f can be closed afterwards. The
// error is an *os.PathError.
func OpenTree(f *os.File) (*Tree, error) {
	dir, err := at(f.Fd()).openDir(".")
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	t := &Tree{loosen: os.Geteuid() != 0, most: maxDepth + 1}
	if err := t.add("", "", dir, false); err != nil {
		return nil, err
	}
	return t, nil
}

// Imply has made called before each directory that Enter and Link make because
// it is missing; its error is theirs. yields tells whether a file that stands in
// the place of one goes; without it none does.
func (t *Tree) Imply(made func() error, yields func(path string) bool) {
	t.implied = implied{made, yields}
}

// Deepen lets the tree be n directories deeper than it may be otherwise: a
// tree of full depth can lie that far below the root.
func (t *Tree) Deepen(n int) { t.most += n }

// Close leaves every directory. See Leave.
func (t *Tree) Close() error { return t.Leave(0) }

func (t *Tree) top() *level { return &t.stack[len(t.stack)-1] }

func (t *Tree) here() at { return t.top().dir }

// Depth is the number of open directories: 1 at the root.
func (t *Tree) Depth() int { return len(t.stack) }

// Path is that of the current directory, from the root, without links and
// without a leading slash. The root's is empty.
func (t *Tree) Path() string { return t.top().path }

// GID is the group that the current directory had when it was entered.
func (t *Tree) GID() uint32 { return t.top().gid }

// Join gives the path of name in the current directory.
func (t *Tree) Join(name string) string {
	if t.Path() == "" {
		return name
	}
	return t.Path() + "/" + name
}

// Stat looks at the current directory.
func (t *Tree) Stat(st *unix.Stat_t) error { return unix.Fstat(int(t.here()), st) }

// StatRoot looks at the tree's root.
func (t *Tree) StatRoot(st *unix.Stat_t) error { return unix.Fstat(int(t.stack[0].dir), st) }

// Mount tells where the current directory's files are.
func (t *Tree) Mount() (Mount, error) { return t.here().mount() }

// Leave goes back up until depth directories are open, and restores the
// times and modes of those it closes. The error joins one for each that could
// not be restored.
func (t *Tree) Leave(depth int) error {
	var errs error
	for len(t.stack) > depth {
		d := t.top()
		if d.dirty {
			if err := d.dir.setTimes(".", d.mtime); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set time of directory %s: %w", quote(d.path), err))
			}
		}
		if d.loosened {
			if err := unix.Fchmod(int(d.dir), d.mode); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set mode of directory %s: %w", quote(d.path), err))
			}
		}
		d.dir.close()
		t.stack = t.stack[:len(t.stack)-1]
	}
	return errs
}

// Push enters name, a real directory in the current one. IsNotDir is true of
// the error if name is something else.
func (t *Tree) Push(name string) error {
	if len(t.stack) >= t.most {
		return errDeep
	}
	dir, err := t.here().openDir(name)
	var loosened bool
	var mode uint32
	if errors.Is(err, unix.EACCES) && t.loosen {
		var st unix.Stat_t
		if err := t.here().lstat(name, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		mode, loosened = uint32(st.Mode)&0o7777, true
		if err := t.here().chmod(name, mode|0o700); err != nil {
			return err
		}
		dir, err = t.here().openDir(name)
	}
	if err != nil {
		return err
	}
	if err := t.add(name, t.Join(name), dir, loosened); err != nil {
		return err
	}
	if loosened {
		t.top().mode = mode
	}
	return nil
}

// add puts an open directory on the stack and closes it if it can't.
func (t *Tree) add(name, path string, dir at, loosened bool) error {
	t.stack = append(t.stack, level{name: name, path: path, dir: dir, loosened: loosened})
	if err := t.Refresh(); err != nil {
		dir.close()
		t.stack = t.stack[:len(t.stack)-1]
		return err
	}
	return nil
}

// Refresh takes the mode, the group and the time that the current directory
// has now as what Leave gives it back.
func (t *Tree) Refresh() error {
	d := t.top()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.dir), &st); err != nil {
		return err
	}
	d.mode, d.gid, d.mtime = uint32(st.Mode)&0o7777, st.Gid, st.Mtim
	if t.loosen && d.mode&0o700 != 0o700 {
		d.loosened = true
		return unix.Fchmod(int(d.dir), d.mode|0o700)
	}
	return nil
}

// Age has Leave give the current directory this modification time.
func (t *Tree) Age(mtime unix.Timespec) { t.top().mtime, t.top().dirty = mtime, true }

// Settle gives the current directory its time back now, and leaves it alone
// later, when that could be forbidden.
func (t *Tree) Settle() error {
	d := t.top()
	if err := d.dir.setTimes(".", d.mtime); err != nil {
		return err
	}
	d.dirty = false
	return nil
}

// Enter makes the directory that names lead to, from the root, the current
// one. Links are resolved inside the tree, at most MaxLinks. With create,
// missing directories are made: root's, mode 0755, from 1970. The error names
// the directory that could not be entered, and wraps a unix.Errno.
func (t *Tree) Enter(names []string, create bool) error {
	todo, err := t.share(names)
	if err != nil {
		return err
	}
	w := walk{in: t, create: create}
	return t.entered(w.enter(todo))
}

// share goes up to the deepest open directory that names lead through, and
// gives the rest of them.
func (t *Tree) share(names []string) (todo []string, err error) {
	keep := 0
	for keep < len(names) && keep+1 < len(t.stack) && t.stack[keep+1].name == names[keep] {
		keep++
	}
	return names[keep:], t.Leave(keep + 1)
}

func (t *Tree) entered(failed string, err error) error {
	if err != nil {
		return fmt.Errorf("enter directory %s: %w", quote(t.Join(failed)), err)
	}
	return nil
}

func (t *Tree) down(name string) error { return t.Push(name) }

func (t *Tree) up() error { return t.Leave(max(1, len(t.stack)-1)) }

func (t *Tree) home() error { return t.Leave(1) }

// mkdir makes a directory that no entry describes, so that the same image
// always gives the same tree.
func (t *Tree) mkdir(name string) error {
	if t.implied.made != nil {
		if err := t.implied.made(); err != nil {
			return err
		}
	}
	if err := t.Mkdir(name, 0o755); err != nil {
		return err
	}
	if err := t.Chmod(name, 0o755); err != nil { // whatever the umask
		return err
	}
	return t.SetTimes(name, unix.Timespec{})
}

func (t *Tree) clear(name string) error {
	if t.implied.yields == nil || !t.implied.yields(t.Join(name)) {
		return unix.ENOTDIR
	}
	return t.Remove(name)
}

// Names lists the current directory.
func (t *Tree) Names() ([]string, error) {
	dir, err := t.here().openDir(".")
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dir), t.Path())
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err // not what it has read until then
	}
	return names, nil
}

// ErrMounted is the error of Remove for a file system that is mounted in the tree.
var ErrMounted = errors.New("a file system is mounted there: unmount it first")

// Remove removes name, and all below it, however deep. A missing name is no error. What
// is mounted there is not the tree's: ErrMounted, and what lies beside it may be gone.
func (t *Tree) Remove(name string) error { return t.remove(name, len(t.stack)) }

// remove is Remove in a directory that is removed itself, the one at level top of
// the stack or one below it.
func (t *Tree) remove(name string, top int) error {
	err := t.here().unlink(name)
	if errors.Is(err, unix.EPERM) && t.here().clearFlags(name) {
		err = t.here().unlink(name)
	}
	switch {
	case err == nil:
		t.top().dirty = true
		return nil
	case errors.Is(err, unix.ENOENT):
		return nil
	}
	var st unix.Stat_t
	if t.Lstat(name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	outside, err := t.Mount()
	if err != nil {
		return err
	}
	switch err := t.Push(name); {
	case errors.Is(err, errDeep) && len(t.stack) > top+1:
		return t.hoist(name, top)
	case err != nil:
		return err
	}
	depth := len(t.stack)
	inside, err := t.Mount()
	if err == nil && inside != outside {
		err = fmt.Errorf("%q: %w", t.Path(), ErrMounted)
	}
	if err == nil {
		err = t.removeAll(top)
	}
	t.stack[depth-1].dirty = err != nil // what is removed needs no time
	if err := errors.Join(err, t.Leave(depth-1)); err != nil {
		return err
	}
	if err := t.here().rmdir(name); err != nil {
		return err
	}
	t.top().dirty = true
	return nil
}

// removeAll empties the current directory: the uppermost again and again, as long
// as something is hoisted into it.
func (t *Tree) removeAll(top int) error {
	uppermost := len(t.stack) == top+1
	for {
		names, err := t.Names()
		if len(names) == 0 {
			return err
		}
		for _, n := range names {
			if err := t.remove(n, top); err != nil {
				return err
			}
		}
		if !uppermost {
			return nil
		}
	}
}

// hoist moves a directory that is too deep to be entered up to the uppermost one
// that is being removed, under a name that is free there.
func (t *Tree) hoist(name string, top int) error {
	for n := 0; ; n++ {
		err := t.here().move(name, t.stack[top].dir, ".deep"+strconv.Itoa(n))
		if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
}

// ReadFile reads a regular file of at most most bytes, which path leads to
// from the root. Links are resolved inside the tree; FIFOs, devices and the
// like are not even opened. The error wraps a unix.Errno if nothing is there.
func (t *Tree) ReadFile(path string, most int64) ([]byte, error) {
	names := strings.Split(path, "/")
	todo, err := t.share(names[:len(names)-1])
	if err != nil {
		return nil, err
	}
	w := walk{in: t}
	name, err := w.last(append(todo[:len(todo):len(todo)], names[len(names)-1]))
	if err != nil {
		return nil, t.entered(name, err)
	}
	var st unix.Stat_t
	if err := t.Lstat(name, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	return t.readHere(name, &st, most)
}
