package main

// Small files that somebody else may have put there.

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// largest is how many bytes a file of an export, a bundle or our own may have.
const largest = 16 << 20

// readSmall reads a regular file of at most largest bytes. Nobody waits for a
// writer of what is a FIFO.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err == nil && len(b) > largest {
		err = fmt.Errorf("%s has more than %d MiB", filepath.Base(path), largest>>20)
	}
	return b, err
}
