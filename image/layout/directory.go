package layout

// Directories that an operator names.

import (
	"fmt"
	"os"
	"syscall"
)

// Directory opens a directory that the operator named. What is none is an error
// that wraps syscall.ENOTDIR, and not waited for: opening a FIFO would last until
// somebody writes to it.
func Directory(path string) (*os.Root, error) {
	fi, err := os.Stat(path) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
	}
	return os.OpenRoot(path)
}
