// A directory tree that is only ever entered one component at a time, through
// open directories. os.Root refuses absolute links, which images are full of;
// here a link in the middle of a path means what it will mean inside the
// cell. Nothing in this file can leave the tree: every system call gets one
// name relative to a directory that was itself opened without following a
// link.

package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"golang.org/x/sys/unix"
)

const (
	maxDepth = 512 // directories below the root; each holds a descriptor
)

const (
	maxName = 255 // bytes of one path component
)

const (
	MaxLinks = 40 // links followed for one name, as the kernels do
)

// Tree is a stack of open directories, from the root to the current one. A
// directory gets its old modification time back when it is left.
type Tree struct {
	Stack []level
	// loosen lets a user who is not root enter and change directories whose
	// mode forbids it; the mode is put back on leaving.
	loosen bool
	// most is how deep the stack may get.
	Most int
}

type level struct {
	name     string // in its parent
	Path     string // from the root, without links, no leading slash
	FD       int
	mode     uint32
	GID      uint32
	Mtime    unix.Timespec
	Dirty    bool // an entry was added or removed
	loosened bool
}

// Open opens the directory that f is; f can be closed afterwards.
func Open(f *os.File) (*Tree, error) {
	fd, err := Openat(int(f.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	t := &Tree{loosen: os.Geteuid() != 0, Most: maxDepth + 1}
	if err := t.add("", "", fd, false); err != nil {
		return nil, err
	}
	return t, nil
}

// Close leaves every directory.
func (t *Tree) Close() error { return t.Leave(0) }

func (t *Tree) Top() *level { return &t.Stack[len(t.Stack)-1] }

// Join gives the path of name in the current directory.
func (t *Tree) Join(name string) string {
	if t.Top().Path == "" {
		return name
	}
	return t.Top().Path + "/" + name
}

// Leave goes back up until depth directories are open, and restores the
// times and modes of those it closes.
func (t *Tree) Leave(depth int) error {
	var errs error
	for len(t.Stack) > depth {
		d := t.Top()
		if d.Dirty {
			if err := SetTimes(d.FD, ".", d.Mtime); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set time of directory %s: %w", image.Quote(d.Path), err))
			}
		}
		if d.loosened {
			if err := unix.Fchmod(d.FD, d.mode); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set mode of directory %s: %w", image.Quote(d.Path), err))
			}
		}
		_ = unix.Close(d.FD)
		t.Stack = t.Stack[:len(t.Stack)-1]
	}
	return errs
}

// Push enters name, a real directory in the current one.
func (t *Tree) Push(name string) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW
	if len(t.Stack) >= t.Most {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	fd, err := Openat(t.Top().FD, name, flags, 0)
	var loosened bool
	var mode uint32
	if err == unix.EACCES && t.loosen {
		var st unix.Stat_t
		if err := Lstatat(t.Top().FD, name, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		mode, loosened = uint32(st.Mode)&0o7777, true
		if err := Chmodat(t.Top().FD, name, mode|0o700); err != nil {
			return err
		}
		fd, err = Openat(t.Top().FD, name, flags, 0)
	}
	if err != nil {
		return err
	}
	if err := t.add(name, t.Join(name), fd, loosened); err != nil {
		return err
	}
	if loosened {
		t.Top().mode = mode
	}
	return nil
}

// add puts an open directory on the stack and closes it if it can't.
func (t *Tree) add(name, path string, fd int, loosened bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return err
	}
	t.Stack = append(t.Stack, level{name: name, Path: path, FD: fd, loosened: loosened})
	if err := t.Remember(&st); err != nil {
		_ = unix.Close(fd)
		t.Stack = t.Stack[:len(t.Stack)-1]
		return err
	}
	return nil
}

// Remember takes st as what leave gives the current directory back.
func (t *Tree) Remember(st *unix.Stat_t) error {
	d := t.Top()
	d.mode, d.GID, d.Mtime = uint32(st.Mode)&0o7777, st.Gid, st.Mtim
	if t.loosen && d.mode&0o700 != 0o700 {
		d.loosened = true
		return unix.Fchmod(d.FD, d.mode|0o700)
	}
	return nil
}

// Enter makes the directory that names lead to the current one. Links are
// resolved inside the tree. With create, missing directories are made.
func (t *Tree) Enter(names []string, create bool) error {
	keep := 0
	for keep < len(names) && keep+1 < len(t.Stack) && t.Stack[keep+1].name == names[keep] {
		keep++
	}
	if err := t.Leave(keep + 1); err != nil {
		return err
	}
	todo := names[keep:]
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..": // only out of a link's target; the root is its own parent
			if err := t.Leave(max(1, len(t.Stack)-1)); err != nil {
				return err
			}
			continue
		}
		err := t.Push(name)
		switch {
		case err == nil:
			continue
		case err == unix.ENOENT && create:
			if err = t.mkdir(name); err == nil {
				err = t.Push(name)
			}
		case IsNotDir(err):
			var target []string
			if target, err = t.link(name, &links); err == nil {
				todo = append(target, todo...)
			}
		}
		if err != nil {
			return fmt.Errorf("enter directory %s: %w", image.Quote(t.Join(name)), err)
		}
	}
	return nil
}

// mkdir makes a directory that no entry describes: root's, mode 0755, from
// 1970, so that the same image always gives the same tree.
func (t *Tree) mkdir(name string) error {
	if err := unix.Mkdirat(t.Top().FD, name, 0o755); err != nil {
		return err
	}
	t.Top().Dirty = true
	if err := Chmodat(t.Top().FD, name, 0o755); err != nil { // whatever the umask
		return err
	}
	return SetTimes(t.Top().FD, name, unix.Timespec{})
}

// link gives the components of the link name in the current directory, and
// goes to the root if they start there. ENOTDIR if name is no link.
func (t *Tree) link(name string, links *int) ([]string, error) {
	target, err := Readlinkat(t.Top().FD, name)
	if err == unix.EINVAL {
		return nil, unix.ENOTDIR
	}
	if err != nil {
		return nil, err
	}
	if *links++; *links > MaxLinks {
		return nil, unix.ELOOP
	}
	if strings.HasPrefix(target, "/") {
		if err := t.Leave(1); err != nil {
			return nil, err
		}
	}
	return strings.Split(target, "/"), nil
}

// IsNotDir tells whether opening a directory failed because the name is
// something else, perhaps a link. The errno differs between kernels.
func IsNotDir(err error) bool {
	return err == unix.ENOTDIR || err == unix.ELOOP || err == ErrnoNoFollow
}

// Names lists the current directory.
func (t *Tree) Names() ([]string, error) {
	fd, err := Openat(t.Top().FD, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), t.Top().Path)
	defer f.Close()
	return f.Readdirnames(-1)
}

// Remove removes name in the current directory, and all below it. A missing
// name is no error.
func (t *Tree) Remove(name string) error {
	err := unix.Unlinkat(t.Top().FD, name, 0)
	if err == unix.EPERM && clearFlags(t.Top().FD, name) {
		err = unix.Unlinkat(t.Top().FD, name, 0)
	}
	if err == nil {
		t.Top().Dirty = true
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	var st unix.Stat_t
	if Lstatat(t.Top().FD, name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	if err := t.Push(name); err != nil {
		return err
	}
	depth := len(t.Stack)
	names, err := t.Names()
	for _, n := range names {
		if err == nil {
			err = t.Remove(n)
		}
	}
	t.Stack[depth-1].Dirty = err != nil // what is removed needs no time
	if err := errors.Join(err, t.Leave(depth-1)); err != nil {
		return err
	}
	if err := unix.Unlinkat(t.Top().FD, name, unix.AT_REMOVEDIR); err != nil {
		return err
	}
	t.Top().Dirty = true
	return nil
}

// ReadFile reads a regular file of at most most bytes. Links are resolved
// inside the tree; FIFOs, devices and the like are not even opened.
func (t *Tree) ReadFile(path string, most int64) ([]byte, error) {
	var st unix.Stat_t
	names := strings.Split(path, "/")
	for links := 0; ; {
		last := len(names) - 1
		if err := t.Enter(names[:last], false); err != nil {
			return nil, err
		}
		name := names[last]
		if name == "" || name == "." || name == ".." {
			return nil, unix.EISDIR
		}
		if err := Lstatat(t.Top().FD, name, &st); err != nil {
			return nil, err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			return t.readHere(name, &st, most)
		case unix.S_IFLNK:
			target, err := t.link(name, &links)
			if err != nil {
				return nil, err
			}
			names = append(strings.Split(t.Top().Path, "/"), target...)
		default:
			return nil, errors.New("it is not a regular file")
		}
	}
}

func (t *Tree) readHere(name string, before *unix.Stat_t, most int64) ([]byte, error) {
	fd, err := Openat(t.Top().FD, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Ino != before.Ino || st.Dev != before.Dev {
		return nil, errors.New("it was replaced while it was opened")
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return data, err
}

// Components splits a name of an image into path components, dropping "" and
// ".": an absolute name starts at the tree's root, as it does in the cell.
func Components(name string, most int) ([]string, error) {
	switch {
	case name == "":
		return nil, errors.New("an empty name")
	case most > 0 && len(name) > most:
		return nil, fmt.Errorf("a name of %d bytes, at most %d are taken (--max-path)", len(name), most)
	case strings.ContainsRune(name, 0):
		return nil, errors.New("a NUL byte in the name")
	}
	names := slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
	for _, n := range names {
		if n == ".." {
			return nil, errors.New(`".." in the name`)
		}
		if len(n) > maxName {
			return nil, fmt.Errorf("a name component of %d bytes, at most %d are possible", len(n), maxName)
		}
	}
	return names, nil
}
