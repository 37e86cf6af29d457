package launch

// The pid file that callers read.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// writePidFile writes decimal digits and no newline, as conmon and containerd
// read them, and makes the file appear complete or not at all. The temporary
// name is fixed but opened with O_EXCL: a leftover of a killed command is
// removed, somebody else's link is not followed.
func writePidFile(path string, pid int) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write --pid-file: %w", err)
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write --pid-file: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(pid))
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write --pid-file: %w", err), os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("write --pid-file: %w", err), os.Remove(tmp))
	}
	return nil
}
