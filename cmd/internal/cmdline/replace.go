package cmdline

// Files that are replaced as a whole.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReplaceFile makes path a regular file of what write writes, all of it or what
// it was before, also when the power fails. Its new content is beside it first,
// under a name that nobody can have taken: in a directory where others may write,
// such as /tmp, a link of that name would lead elsewhere. A link at path itself
// gives way to the file. The error is write's, or names the file.
func ReplaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() { // such as /dev/null: it must stay
		return fmt.Errorf("write %s: it is not a regular file", path)
	}
	dir := filepath.Dir(path)
	// No directory's reader takes it for one of its files: of rc.d, of a collector's.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return nil
}

// ReplaceBytes is ReplaceFile of what is there already.
func ReplaceBytes(path string, mode fs.FileMode, b []byte) error {
	return ReplaceFile(path, mode, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
