package cmdline

// Files that are replaced as a whole.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// ReplaceFile makes path a regular file of what write writes, all of it or what
// it was before, also when the power fails. Its new content is beside it first,
// under a name that nobody can have taken: in a directory where others may write,
// such as /tmp, a link of that name would lead elsewhere. A link at path itself
// gives way to the file. What a ReplaceFile of the same name that was killed has
// left goes. The error is write's, or names the file.
func ReplaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := beside(path)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err == nil {
		err = os.Rename(f.Name(), path) // still locked
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, f.Close(), os.Remove(f.Name())))
	}
	_ = f.Close() // Sync has told its errors
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return nil
}

// CheckReplace tells what would keep ReplaceFile from beginning, for who has much to
// do before. It leaves nothing.
func CheckReplace(path string) error {
	f, err := beside(path)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(f.Name()), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// beside makes the file that is to have a path's name, and is locked until then.
func beside(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() { // such as /dev/null: it must stay
		return nil, fmt.Errorf("write %s: it is not a regular file", path)
	}
	// No directory's reader takes it for one of its files: of rc.d, of a collector's.
	prefix := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-")
	removeStale(prefix)
	f, err := lockedFile(prefix)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

// ReplaceBytes is ReplaceFile of what is there already.
func ReplaceBytes(path string, mode fs.FileMode, b []byte) error {
	return ReplaceFile(path, mode, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// lockedFile makes a file whose name begins with prefix. Its lock says that it is
// being written. Between the two removeStale can take it: then it is made anew.
func lockedFile(prefix string) (*os.File, error) {
	for {
		f, err := os.OpenFile(prefix+rand.Text(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := flock.Try(int(f.Fd()), flock.Exclusive)
		if err != nil || locked && isAt(f) { // a file system without locks keeps what is stale
			return f, nil
		}
		if err := errors.Join(f.Close(), ignoreMissing(os.Remove(f.Name()))); err != nil {
			return nil, err
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isAt tells whether the file still has its name.
func isAt(f *os.File) bool {
	there, err := os.Lstat(f.Name())
	if err != nil {
		return false
	}
	fi, err := f.Stat()
	return err == nil && os.SameFile(fi, there)
}

// removeStale removes the files that lockedFile made for who was killed. What can't
// be listed or removed stays: it is in nobody's way.
func removeStale(prefix string) {
	dir, start := filepath.Split(prefix)
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		end, found := strings.CutPrefix(e.Name(), start)
		if found && len(end) == len(rand.Text()) && strings.Trim(end, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" {
			removeIfStale(dir + e.Name())
		}
	}
}

// removeIfStale leaves alone what is locked, what is another user's, and what has
// two names.
func removeIfStale(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		return
	}
	if locked, _ := flock.Try(int(f.Fd()), flock.Exclusive); locked && isAt(f) {
		_ = os.Remove(path)
	}
}
