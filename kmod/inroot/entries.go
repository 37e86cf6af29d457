package inroot

// What can be done about one entry of a tree's current directory.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

var (
	errNotRegular = errors.New("it is not a regular file")
	errReplaced   = errors.New("it was replaced while it was opened")
)

// Lstat looks at name (lstat(2)).
func (t *Tree) Lstat(name string, st *unix.Stat_t) error { return t.here().lstat(name, st) }

// Readlink gives a link's target.
func (t *Tree) Readlink(name string) (string, error) { return t.here().readlink(name) }

// added notes that the current directory has one entry more.
func (t *Tree) added(err error) error {
	if err == nil {
		t.top().dirty = true
	}
	return err
}

// Create makes a regular file, mode 0600 less the umask, and opens it to be
// written. EEXIST if the name is taken, whatever by.
func (t *Tree) Create(name string) (File, error) {
	fd, err := t.here().create(name, 0o600)
	return File{fd + 1}, t.added(err)
}

// OpenFile opens a regular file to be read, if it is still the one that Lstat
// has put into st, and puts there what is true of it now.
func (t *Tree) OpenFile(name string, st *unix.Stat_t) (*os.File, error) {
	was := *st
	fd, err := t.here().openRegular(name, st)
	if err != nil {
		return nil, err
	}
	if st.Ino != was.Ino || st.Dev != was.Dev {
		at(fd).close()
		return nil, errReplaced
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (t *Tree) readHere(name string, st *unix.Stat_t, most int64) ([]byte, error) {
	f, err := t.OpenFile(name, st)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMost(f, most)
}

func readMost(f io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("it is longer than %d bytes", most)
	}
	return data, nil
}

// Mkdir makes a directory. EEXIST if the name is taken, whatever by. The umask
// applies.
func (t *Tree) Mkdir(name string, mode uint32) error { return t.added(t.here().mkdir(name, mode)) }

// Symlink makes a link. The target is any text. EEXIST if the name is taken.
func (t *Tree) Symlink(target, name string) error { return t.added(t.here().symlink(target, name)) }

// Mknod makes a device node or a FIFO: mode has its type (S_IFCHR, S_IFBLK,
// S_IFIFO), dev its number as the system writes it. The umask applies. EEXIST
// if the name is taken.
func (t *Tree) Mknod(name string, mode uint32, dev uint64) error {
	return t.added(t.here().mknod(name, mode, dev))
}

// TargetError is what keeps a file from getting another name.
type TargetError struct{ Err error }

func (e *TargetError) Error() string { return e.Err.Error() }
func (e *TargetError) Unwrap() error { return e.Err }

// Link gives the file that target leads to one more name, in the directory
// that dir leads to, which is the current one afterwards and is made if it is
// missing. Both start at the root. What has the name already is removed. If
// the target is a link, that is what gets the name. A *TargetError if there is
// no target, or if it is a directory (EISDIR).
func (t *Tree) Link(target, dir []string, name string) error {
	if len(target) == 0 {
		return &TargetError{unix.EISDIR}
	}
	from, old := target[:len(target)-1], target[len(target)-1]
	if err := t.Enter(from, false); err != nil {
		return &TargetError{err}
	}
	var st unix.Stat_t
	if err := t.Lstat(old, &st); err != nil {
		return &TargetError{err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return &TargetError{unix.EISDIR}
	}
	source := t.here()
	if !slices.Equal(from, dir) { // the tree closes what it leaves
		var err error
		if source, err = source.openDir("."); err != nil {
			return err
		}
		defer source.close()
		if err := t.Enter(dir, true); err != nil {
			return err
		}
	}
	err := source.link(old, t.here(), name)
	if errors.Is(err, unix.EEXIST) {
		var there unix.Stat_t
		if t.Lstat(name, &there) == nil && there.Ino == st.Ino && there.Dev == st.Dev {
			return nil // it is that file already: removing it first could lose it
		}
		if err := t.Remove(name); err != nil {
			return fmt.Errorf("replace: %w", err)
		}
		err = source.link(old, t.here(), name)
	}
	return t.added(err)
}

// Chown sets the owner, of a link too.
func (t *Tree) Chown(name string, uid, gid int) error { return t.here().chown(name, uid, gid) }

// Chmod sets the mode. ELOOP or EOPNOTSUPP if name is a link.
func (t *Tree) Chmod(name string, mode uint32) error { return t.here().chmod(name, mode) }

// SetTimes sets the modification time and the access time to the same, of a
// link too.
func (t *Tree) SetTimes(name string, mtime unix.Timespec) error {
	return t.here().setTimes(name, mtime)
}

// SetFlags sets the file flags (chflags(2)) of a file or directory that can be
// read. EOPNOTSUPP where there are none.
func (t *Tree) SetFlags(name string, bits uint32) error { return t.here().setFlags(name, bits) }

// SetXattr sets an extended attribute. EOPNOTSUPP where there are none, ENOENT
// also without a /proc on Linux; so with the next three.
func (t *Tree) SetXattr(name, attr string, value []byte) error {
	return t.here().setXattr(name, attr, value)
}

// RemoveXattr removes an extended attribute.
func (t *Tree) RemoveXattr(name, attr string) error { return t.here().removeXattr(name, attr) }

// ListXattrs gives the names of the extended attributes, none where there are
// none.
func (t *Tree) ListXattrs(name string) ([]string, error) { return t.here().listXattrs(name) }

// GetXattr gives the value of an extended attribute.
func (t *Tree) GetXattr(name, attr string) ([]byte, error) { return t.here().getXattr(name, attr) }

// File is a regular file that Create has made, open to be written. The zero
// File is closed. It is not an os.File, which costs a system call to make.
type File struct{ n int } // the descriptor, plus 1

func (f File) fd() int { return f.n - 1 }

// Close closes the file.
func (f File) Close() error { return unix.Close(f.fd()) }

// Write writes all of p.
func (f File) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(f.fd(), p[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// Skip leaves a hole of n bytes, if something is written behind it or
// Truncate says that it is there.
func (f File) Skip(n int64) error {
	_, err := unix.Seek(f.fd(), n, io.SeekCurrent)
	return err
}

// Truncate sets the size in bytes.
func (f File) Truncate(size int64) error { return unix.Ftruncate(f.fd(), size) }

// Chmod sets the mode.
func (f File) Chmod(mode uint32) error { return unix.Fchmod(f.fd(), mode) }

// Chown sets the owner.
func (f File) Chown(uid, gid int) error { return unix.Fchown(f.fd(), uid, gid) }
