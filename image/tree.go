// A directory tree that is only ever entered one component at a time, through
// open directories. os.Root refuses absolute links, which images are full of;
// here a link in the middle of a path means what it will mean inside the
// cell. Nothing in this file can leave the tree: every system call gets one
// name relative to a directory that was itself opened without following a
// link.

package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is a stack of open directories, from the root to the current one. A
// directory gets its old modification time back when it is left.
type tree struct {
	stack []level
	// loosen lets a user who is not root enter and change directories whose
	// mode forbids it; the mode is put back on leaving.
	loosen bool
	// most is how deep the stack may get.
	most int
}

type level struct {
	name     string // in its parent
	path     string // from the root, without links, no leading slash
	fd       int
	mode     uint32
	gid      uint32
	mtime    unix.Timespec
	dirty    bool // an entry was added or removed
	loosened bool
}

// openTree opens the directory that f is; f can be closed afterwards.
func openTree(f *os.File) (*tree, error) {
	fd, err := openat(int(f.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	t := &tree{loosen: os.Geteuid() != 0, most: maxDepth + 1}
	if err := t.add("", "", fd, false); err != nil {
		return nil, err
	}
	return t, nil
}

// Close leaves every directory.
func (t *tree) Close() error { return t.leave(0) }

func (t *tree) top() *level { return &t.stack[len(t.stack)-1] }

// join gives the path of name in the current directory.
func (t *tree) join(name string) string {
	if t.top().path == "" {
		return name
	}
	return t.top().path + "/" + name
}

// leave goes back up until depth directories are open, and restores the
// times and modes of those it closes.
func (t *tree) leave(depth int) error {
	var errs error
	for len(t.stack) > depth {
		d := t.top()
		if d.dirty {
			if err := setTimes(d.fd, ".", d.mtime); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set time of directory %s: %w", quote(d.path), err))
			}
		}
		if d.loosened {
			if err := unix.Fchmod(d.fd, d.mode); err != nil {
				errs = errors.Join(errs, fmt.Errorf("set mode of directory %s: %w", quote(d.path), err))
			}
		}
		_ = unix.Close(d.fd)
		t.stack = t.stack[:len(t.stack)-1]
	}
	return errs
}

// push enters name, a real directory in the current one.
func (t *tree) push(name string) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW
	if len(t.stack) >= t.most {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	fd, err := openat(t.top().fd, name, flags, 0)
	var loosened bool
	var mode uint32
	if err == unix.EACCES && t.loosen {
		var st unix.Stat_t
		if err := lstatat(t.top().fd, name, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		mode, loosened = uint32(st.Mode)&0o7777, true
		if err := chmodat(t.top().fd, name, mode|0o700); err != nil {
			return err
		}
		fd, err = openat(t.top().fd, name, flags, 0)
	}
	if err != nil {
		return err
	}
	if err := t.add(name, t.join(name), fd, loosened); err != nil {
		return err
	}
	if loosened {
		t.top().mode = mode
	}
	return nil
}

// add puts an open directory on the stack and closes it if it can't.
func (t *tree) add(name, path string, fd int, loosened bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return err
	}
	t.stack = append(t.stack, level{name: name, path: path, fd: fd, loosened: loosened})
	if err := t.remember(&st); err != nil {
		_ = unix.Close(fd)
		t.stack = t.stack[:len(t.stack)-1]
		return err
	}
	return nil
}

// remember takes st as what leave gives the current directory back.
func (t *tree) remember(st *unix.Stat_t) error {
	d := t.top()
	d.mode, d.gid, d.mtime = uint32(st.Mode)&0o7777, st.Gid, st.Mtim
	if t.loosen && d.mode&0o700 != 0o700 {
		d.loosened = true
		return unix.Fchmod(d.fd, d.mode|0o700)
	}
	return nil
}

// enter makes the directory that names lead to the current one. Links are
// resolved inside the tree. With create, missing directories are made.
func (t *tree) enter(names []string, create bool) error {
	keep := 0
	for keep < len(names) && keep+1 < len(t.stack) && t.stack[keep+1].name == names[keep] {
		keep++
	}
	if err := t.leave(keep + 1); err != nil {
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
			if err := t.leave(max(1, len(t.stack)-1)); err != nil {
				return err
			}
			continue
		}
		err := t.push(name)
		switch {
		case err == nil:
			continue
		case err == unix.ENOENT && create:
			if err = t.mkdir(name); err == nil {
				err = t.push(name)
			}
		case isNotDir(err):
			var target []string
			if target, err = t.link(name, &links); err == nil {
				todo = append(target, todo...)
			}
		}
		if err != nil {
			return fmt.Errorf("enter directory %s: %w", quote(t.join(name)), err)
		}
	}
	return nil
}

// mkdir makes a directory that no entry describes: root's, mode 0755, from
// 1970, so that the same image always gives the same tree.
func (t *tree) mkdir(name string) error {
	if err := unix.Mkdirat(t.top().fd, name, 0o755); err != nil {
		return err
	}
	t.top().dirty = true
	if err := chmodat(t.top().fd, name, 0o755); err != nil { // whatever the umask
		return err
	}
	return setTimes(t.top().fd, name, unix.Timespec{})
}

// link gives the components of the link name in the current directory, and
// goes to the root if they start there. ENOTDIR if name is no link.
func (t *tree) link(name string, links *int) ([]string, error) {
	target, err := readlinkat(t.top().fd, name)
	if err == unix.EINVAL {
		return nil, unix.ENOTDIR
	}
	if err != nil {
		return nil, err
	}
	if *links++; *links > maxLinks {
		return nil, unix.ELOOP
	}
	if strings.HasPrefix(target, "/") {
		if err := t.leave(1); err != nil {
			return nil, err
		}
	}
	return strings.Split(target, "/"), nil
}

// isNotDir tells whether opening a directory failed because the name is
// something else, perhaps a link. The errno differs between kernels.
func isNotDir(err error) bool {
	return err == unix.ENOTDIR || err == unix.ELOOP || err == errnoNoFollow
}

// names lists the current directory.
func (t *tree) names() ([]string, error) {
	fd, err := openat(t.top().fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), t.top().path)
	defer f.Close()
	return f.Readdirnames(-1)
}

// remove removes name in the current directory, and all below it. A missing
// name is no error.
func (t *tree) remove(name string) error {
	err := unix.Unlinkat(t.top().fd, name, 0)
	if err == unix.EPERM && clearFlags(t.top().fd, name) {
		err = unix.Unlinkat(t.top().fd, name, 0)
	}
	if err == nil {
		t.top().dirty = true
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	var st unix.Stat_t
	if lstatat(t.top().fd, name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	if err := t.push(name); err != nil {
		return err
	}
	depth := len(t.stack)
	names, err := t.names()
	for _, n := range names {
		if err == nil {
			err = t.remove(n)
		}
	}
	t.stack[depth-1].dirty = err != nil // what is removed needs no time
	if err := errors.Join(err, t.leave(depth-1)); err != nil {
		return err
	}
	if err := unix.Unlinkat(t.top().fd, name, unix.AT_REMOVEDIR); err != nil {
		return err
	}
	t.top().dirty = true
	return nil
}

// readFile reads a regular file of at most most bytes. Links are resolved
// inside the tree; FIFOs, devices and the like are not even opened.
func (t *tree) readFile(path string, most int64) ([]byte, error) {
	var st unix.Stat_t
	names := strings.Split(path, "/")
	for links := 0; ; {
		last := len(names) - 1
		if err := t.enter(names[:last], false); err != nil {
			return nil, err
		}
		name := names[last]
		if name == "" || name == "." || name == ".." {
			return nil, unix.EISDIR
		}
		if err := lstatat(t.top().fd, name, &st); err != nil {
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
			names = append(strings.Split(t.top().path, "/"), target...)
		default:
			return nil, errors.New("it is not a regular file")
		}
	}
}

func (t *tree) readHere(name string, before *unix.Stat_t, most int64) ([]byte, error) {
	fd, err := openat(t.top().fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
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

// components splits a name of an image into path components, dropping "" and
// ".": an absolute name starts at the tree's root, as it does in the cell.
func components(name string, most int) ([]string, error) {
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
