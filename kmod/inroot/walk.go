package inroot

// How a path is resolved inside a root, for Tree and Dir alike.

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxLinks is how many symbolic links one name may lead through. Linux follows
// as many (path_resolution(7)), NetBSD 32 (MAXSYMLINKS).
const MaxLinks = 40

// stack is the open directories of a walk, from the root to the one it has
// come to, so that ".." never asks the file system.
type stack interface {
	here() at
	down(name string) error // into a real directory
	up() error              // the root is its own parent
	home() error            // to the root
	mkdir(name string) error
	clear(name string) error // takes a file away that is in the way of mkdir
}

// walk is the resolution of one name.
type walk struct {
	in     stack
	create bool // missing directories
	links  int
}

// enter goes where todo leads, and names the component that it can't pass.
func (w *walk) enter(todo []string) (failed string, err error) {
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if err := w.in.up(); err != nil {
				return name, err
			}
			continue
		}
		err := w.in.down(name)
		switch {
		case errors.Is(err, unix.ENOENT) && w.create:
			if err = w.in.mkdir(name); err == nil || errors.Is(err, unix.EEXIST) {
				err = w.in.down(name)
			}
		case IsNotDir(err):
			var target []string
			if target, err = w.follow(name); err == nil {
				todo = append(target, todo...)
			} else if errors.Is(err, unix.ENOTDIR) && w.create {
				if err = w.in.clear(name); err == nil {
					err = errors.Join(w.in.mkdir(name), w.in.down(name))
				}
			}
		}
		if err != nil {
			return name, err
		}
	}
	return "", nil
}

// follow gives the components of a link, and goes to the root if they start
// there. ENOTDIR if name is no link.
func (w *walk) follow(name string) ([]string, error) {
	target, err := w.in.here().readlink(name)
	if errors.Is(err, unix.EINVAL) {
		return nil, unix.ENOTDIR
	}
	if err != nil {
		return nil, err
	}
	if w.links++; w.links > MaxLinks {
		return nil, unix.ELOOP
	}
	if strings.HasPrefix(target, "/") {
		if err := w.in.home(); err != nil {
			return nil, err
		}
	}
	return strings.Split(target, "/"), nil
}

// last goes to the directory that holds what todo leads to, through links, and
// gives the name there. It was no link a moment ago, and may not exist; it is
// "." if todo leads to a directory by way of the root or of "..". Without
// success it names the component that it can't pass.
func (w *walk) last(todo []string) (name string, err error) {
	for {
		n := len(todo)
		for n > 0 && (todo[n-1] == "" || todo[n-1] == ".") {
			n--
		}
		if n == 0 {
			return ".", nil
		}
		if failed, err := w.enter(todo[:n-1]); err != nil {
			return failed, err
		}
		name := todo[n-1]
		if name == ".." {
			return ".", w.in.up()
		}
		target, err := w.follow(name)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENOENT) {
			return name, nil
		}
		if err != nil {
			return name, err
		}
		todo = target
	}
}

// quote makes a name fit for a terminal and a log line.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.Quote(s[:most]) + "... (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return strconv.Quote(s)
}
