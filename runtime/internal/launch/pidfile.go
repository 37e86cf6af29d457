package launch

// The pid file that callers read.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// writePidFile writes decimal digits and no newline, as conmon and containerd
// read them. A file appears complete or not at all; what is something else, such
// as /dev/null, is written to and stays.
func writePidFile(path string, pid int) error {
	write := replaceFile
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		write = writeTo
	}
	if err := write(path, strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("write --pid-file: %w", err)
	}
	return nil
}

// replaceFile has a temporary name that is fixed but opened with O_EXCL: a
// leftover of a killed command is removed, somebody else's link is not followed.
func replaceFile(path, text string) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	create := func() (*os.File, error) { return os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) }
	f, err := create()
	if errors.Is(err, fs.ErrExist) {
		if err = os.Remove(tmp); err == nil {
			f, err = create()
		}
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// writeTo writes to a device, or to a FIFO that somebody reads.
func writeTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
