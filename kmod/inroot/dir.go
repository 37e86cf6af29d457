package inroot

// A container's root, in which single paths are looked up and made. Every path
// starts at the root, and links in it are resolved inside.

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is an open directory that paths are resolved in. A nil one is closed.
// Errors wrap a unix.Errno.
type Dir struct {
	fd    at
	exact bool // set modes again that the umask has taken from
}

// Open opens a directory by its host path, which must not end in a link. What is
// made in it has its mode whatever the umask, which is the whole process's.
func Open(dir string) (*Dir, error) {
	fd, err := unix.Open(dir, dirFlags, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", dir, err)
	}
	return &Dir{at(fd), true}, nil
}

// Close closes the directory, once.
func (d *Dir) Close() {
	if d != nil {
		d.fd.close()
		d.fd = closed
	}
}

// steps are the directories on the way to a place below a Dir.
type steps struct {
	root  at
	exact bool
	open  []at
	names []string // of the directories in open
}

// from starts a walk; the caller lets it go.
func (d *Dir) from(create bool) (*walk, *steps) {
	s := &steps{root: d.fd, exact: d.exact}
	return &walk{in: s, create: create}, s
}

func (s *steps) here() at {
	if len(s.open) == 0 {
		return s.root
	}
	return s.open[len(s.open)-1]
}

func (s *steps) down(name string) error {
	fd, err := s.here().open(name, dirFlags, 0)
	if err == nil {
		s.open, s.names = append(s.open, at(fd)), append(s.names, name)
	}
	return err
}

func (s *steps) up() error {
	if n := len(s.open); n > 0 {
		s.open[n-1].close()
		s.open, s.names = s.open[:n-1], s.names[:n-1]
	}
	return nil
}

func (s *steps) home() error {
	s.letGo()
	return nil
}

func (s *steps) letGo() {
	for len(s.open) > 0 {
		_ = s.up()
	}
}

func (s *steps) mkdir(name string) error {
	const mode = 0o755
	if err := s.here().mkdir(name, mode); err != nil || !s.exact {
		return err
	}
	return s.here().setDirMode(name, mode)
}

// clear refuses: what is in a cell's root stays there.
func (s *steps) clear(string) error { return unix.ENOTDIR }

// OpenDir gives the directory that p leads to. With create, missing ones are
// made, mode 0755.
func (d *Dir) OpenDir(p string, create bool) (*Place, error) {
	w, s := d.from(create)
	defer s.letGo()
	_, err := w.enter(strings.Split(p, "/"))
	fd := -1
	if err == nil {
		fd, err = unix.FcntlInt(uintptr(s.here()), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open directory %s in the root: %w", p, err)
	}
	return &Place{at(fd), "/" + strings.Join(s.names, "/")}, nil
}

// MakeDir makes the directory that p leads to, and those above it, if they
// are missing: mode 0755.
func (d *Dir) MakeDir(p string) error {
	w, s := d.from(true)
	defer s.letGo()
	if _, err := w.enter(strings.Split(p, "/")); err != nil {
		return fmt.Errorf("make directory %s in the root: %w", p, err)
	}
	return nil
}

// inParent resolves all but the last component of p, making directories where
// they are missing, and calls do in the open parent. The last component is
// not looked at.
func (d *Dir) inParent(p string, do func(dir at, name string) error) error {
	names := slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
	last := len(names) - 1
	if last < 0 || names[last] == ".." {
		return unix.EISDIR
	}
	w, s := d.from(true)
	defer s.letGo()
	if _, err := w.enter(names[:last]); err != nil {
		return err
	}
	return do(s.here(), names[last])
}

// atEnd finds what p leads to, through links, and calls do in the directory
// that holds it.
func (d *Dir) atEnd(p string, create bool, do func(dir at, name string) error) error {
	w, s := d.from(create)
	defer s.letGo()
	name, err := w.last(strings.Split(p, "/"))
	if err != nil {
		return err
	}
	return do(s.here(), name)
}

// Stat looks at what p leads to.
func (d *Dir) Stat(p string) (st unix.Stat_t, err error) {
	err = d.atEnd(p, false, func(dir at, name string) error { return dir.lstat(name, &st) })
	return st, err
}

// ReadFile reads the regular file that p leads to; one of more than most bytes
// is an error.
func (d *Dir) ReadFile(p string, most int64) (data []byte, err error) {
	return d.read(p, func(f io.Reader) ([]byte, error) { return readMost(f, most) })
}

// ReadHead reads at most n bytes of the regular file that p leads to.
func (d *Dir) ReadHead(p string, n int64) ([]byte, error) {
	return d.read(p, func(f io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(f, n)) })
}

func (d *Dir) read(p string, read func(io.Reader) ([]byte, error)) (data []byte, err error) {
	err = d.atEnd(p, false, func(dir at, name string) error {
		var st unix.Stat_t
		fd, err := dir.openRegular(name, &st)
		if err != nil {
			return err
		}
		defer at(fd).close()
		data, err = read(reader(fd))
		return err
	})
	return data, err
}

// reader reads an open file by plain system calls: an os.File of a descriptor
// that does not block would have the Go runtime make its poller, for nothing.
type reader int

func (fd reader) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// CheckOrdinary refuses a path with a link in it, also with one that leads to
// nothing: who makes the directory would make it there. What is not there, or is
// no directory, is no link.
func (d *Dir) CheckOrdinary(p string) error {
	_, s := d.from(false)
	defer s.letGo()
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		if target, err := s.here().readlink(name); err == nil {
			return fmt.Errorf("%s must be an ordinary directory in the root: a link leads to %s", p, quote(target))
		}
		if err := s.down(name); err != nil {
			return nil //nolint:nilerr // whoever needs the directory will say so
		}
	}
	return nil
}

// Symlink makes a link at p, whose last component is not followed. Missing
// directories are made. EEXIST if something is there.
func (d *Dir) Symlink(target, p string) error {
	return d.inParent(p, func(dir at, name string) error { return dir.symlink(target, name) })
}

// Place is something in a root, held open: it can be mounted on and looked at,
// and no name can be looked up in it.
type Place struct {
	fd   at
	path string
}

// OpenPlace opens a directory by its host path, which must not end in a link.
func OpenPlace(dir string) (*Place, error) {
	fd, err := unix.Open(dir, dirFlags, 0)
	if err != nil {
		return nil, err
	}
	return &Place{at(fd), dir}, nil
}

// Close closes the place, once. A nil one is closed.
func (p *Place) Close() {
	if p != nil {
		p.fd.close()
		p.fd = closed
	}
}

// IsRoot tells whether the place is the root itself, and not what it is mounted
// upon elsewhere.
func (p *Place) IsRoot() bool { return p.path == "/" }

// Path is a directory's absolute path inside the root, without links.
func (p *Place) Path() string { return p.path }

// Stat looks at the place.
func (p *Place) Stat() (st unix.Stat_t, err error) {
	err = unix.Fstat(int(p.fd), &st)
	return st, err
}

// Ask lends the descriptor to a system call about the place that this package
// does not know, such as fstatvfs(2).
func (p *Place) Ask(ask func(fd int) error) error {
	if p == nil || p.fd == closed {
		return errors.New("the place is closed")
	}
	return ask(int(p.fd))
}

// Within tells whether p is dir or lies below it. Both are clean.
func Within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
