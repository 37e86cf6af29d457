// Package inroot resolves paths inside a container's root. The image and the
// container's volumes decide what lies there, so no path is ever handed to the
// kernel whole: it is walked a component at a time with O_NOFOLLOW, and symbolic
// links are resolved here, with the container's root as "/". This is what
// openat2(RESOLVE_IN_ROOT) does, in a form that NetBSD can do too.
package inroot

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may pass (MAXSYMLINKS).
const maxLinks = 32

// Dir is an open directory that paths are resolved in.
type Dir struct{ FD int }

// Open opens a directory by its host path, which the caller trusts.
func Open(dir string) (Dir, error) {
	fd, err := unix.Open(dir, DirFlags, 0)
	if err != nil {
		return Dir{-1}, fmt.Errorf("open root %s: %w", dir, err)
	}
	return Dir{fd}, nil
}

// Close lets go of the descriptor.
func (r Dir) Close() { sys.CloseFD(r.FD) }

// walker is the state of one resolution. stack holds the open directories
// from the root down, so that ".." never asks the filesystem.
type walker struct {
	root  Dir
	stack []int
	names []string // of the directories in stack
	links int
	make  bool   // create missing directories
	mode  uint32 // their mode
}

func (w *walker) top() int {
	if len(w.stack) == 0 {
		return w.root.FD
	}
	return w.stack[len(w.stack)-1]
}

func (w *walker) pop() {
	if n := len(w.stack); n > 0 {
		sys.CloseFD(w.stack[n-1])
		w.stack, w.names = w.stack[:n-1], w.names[:n-1]
	}
}

func (w *walker) reset() {
	for len(w.stack) > 0 {
		w.pop()
	}
}

// parent resolves all but the last component of p and returns the open
// directory (valid until w.reset) and the last component's name, which is
// "." for the root itself. The last component is not looked at.
func (w *walker) parent(p string) (dirfd int, name string, err error) {
	parts := split(p)
	if len(parts) == 0 {
		return w.top(), ".", nil
	}
	for _, c := range parts[:len(parts)-1] {
		if err := w.enter(c); err != nil {
			return -1, "", err
		}
	}
	return w.top(), parts[len(parts)-1], nil
}

func split(p string) []string {
	var parts []string
	for _, c := range strings.Split(p, "/") {
		if c != "" && c != "." {
			parts = append(parts, c)
		}
	}
	return parts
}

// enter goes one component down (or up, or through a link).
func (w *walker) enter(c string) error {
	if c == ".." {
		w.pop()
		return nil
	}
	fd, err := unix.Openat(w.top(), c, DirFlags, 0)
	if errors.Is(err, unix.ENOENT) && w.make {
		if err := unix.Mkdirat(w.top(), c, w.mode); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		fd, err = unix.Openat(w.top(), c, DirFlags, 0)
	}
	if err == nil {
		w.stack, w.names = append(w.stack, fd), append(w.names, c)
		return nil
	}
	if !IsLink(err) {
		return err
	}
	target, lerr := w.readlink(c)
	if errors.Is(lerr, unix.ELOOP) {
		return lerr
	}
	if lerr != nil {
		return err // a plain file, not a link
	}
	return w.follow(target)
}

func (w *walker) readlink(c string) (string, error) {
	if w.links++; w.links > maxLinks {
		return "", unix.ELOOP
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.top(), c, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// follow walks a link's target; an absolute one starts at the root again.
func (w *walker) follow(target string) error {
	if path.IsAbs(target) {
		w.reset()
	}
	for _, c := range split(target) {
		if err := w.enter(c); err != nil {
			return err
		}
	}
	return nil
}

// OpenDir resolves p to an open directory, which the caller closes. With
// create, missing directories are made (mode 0755).
func (r Dir) OpenDir(p string, create bool) (int, error) {
	fd, _, err := r.ResolveDir(p, create)
	return fd, err
}

// ResolveDir is OpenDir that also tells the directory's path inside the
// root, free of links.
func (r Dir) ResolveDir(p string, create bool) (fd int, plain string, err error) {
	w := &walker{root: r, make: create, mode: 0o755}
	defer w.reset()
	for _, c := range split(p) {
		if err := w.enter(c); err != nil {
			return -1, "", fmt.Errorf("open directory %s in the root: %w", p, err)
		}
	}
	fd, err = unix.FcntlInt(uintptr(w.top()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, "", fmt.Errorf("open directory %s in the root: %w", p, err)
	}
	return fd, "/" + strings.Join(w.names, "/"), nil
}

// InParent resolves all but the last component of p, making directories where
// they are missing, and calls do on the open parent. The last component is
// never followed.
func (r Dir) InParent(p string, do func(dirfd int, name string) error) error {
	w := &walker{root: r, make: true, mode: 0o755}
	defer w.reset()
	dirfd, name, err := w.parent(p)
	if err != nil {
		return err
	}
	if name == "." || name == ".." {
		return unix.EISDIR
	}
	return do(dirfd, name)
}

// Final finds the last component of p, through links, and calls open on it.
func (r Dir) Final(p string, create bool, open func(dirfd int, name string) (int, error)) (int, error) {
	w := &walker{root: r, make: create, mode: 0o755}
	defer w.reset()
	for {
		dirfd, name, err := w.parent(p)
		if err != nil {
			return -1, err
		}
		if name == ".." {
			w.pop()
			dirfd, name = w.top(), "."
		}
		if name != "." {
			target, err := w.readlink(name)
			if errors.Is(err, unix.ELOOP) {
				return -1, err
			}
			if err == nil {
				if path.IsAbs(target) {
					w.reset()
				}
				p = target
				continue
			}
		}
		return open(dirfd, name)
	}
}

// Stat resolves p, following links inside the root, and stats what is there.
func (r Dir) Stat(p string) (unix.Stat_t, error) {
	var st unix.Stat_t
	_, err := r.Final(p, false, func(dirfd int, name string) (int, error) {
		return 0, unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

// Within tells whether p is dir or lies below it. Both are clean.
func Within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
