package main

// Copies of the programs, as users have them.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// besides are the programs that are found beside runcell, by their names.
var besides = []string{"containerd-shim-runcell-v1", "containerd-snapshotter-runcell"}

// imageSuffix makes runcell's name the one of the program that it runs for images.
const imageSuffix = "-image"

// install copies runcell and what belongs to it into dir, as `make install` does,
// and gives the copy's path. What is measured has to be what users run: the linker
// writes a program through a mapping, so the page cache keeps it page by page; one
// that was written at once, or read from a disk, is in larger pieces, which are mapped
// at once. That is 0.3 of the 2.3 ms of CPU time that `runcell --version` takes, and
// 0.5 of the 6.7 of a run.
func install(runcell, dir string) (string, error) {
	copied := filepath.Join(dir, filepath.Base(runcell))
	all := map[string]string{runcell: copied, runcell + imageSuffix: copied + imageSuffix}
	for _, name := range besides {
		all[filepath.Join(filepath.Dir(runcell), name)] = filepath.Join(dir, name)
	}
	for from, to := range all {
		program, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) && from != runcell {
			continue // the part that needs it says so
		}
		if err == nil {
			err = os.WriteFile(to, program, 0o755)
		}
		if err != nil {
			return "", fmt.Errorf("install %s: %w", from, err)
		}
	}
	return copied, nil
}

// installAll replaces the programs to measure by copies beside our own: on the same
// file system, as a temporary directory may be in memory. remove takes the copies away.
func (o *options) installAll() (remove func() error, err error) {
	top, err := os.MkdirTemp(filepath.Dir(o.runcell), "bench-")
	if err != nil {
		return nil, err
	}
	remove = func() error { return os.RemoveAll(top) }
	for name, program := range map[string]*string{"here": &o.runcell, "base": &o.base} {
		if *program == "" {
			continue
		}
		dir := filepath.Join(top, name)
		if err = os.Mkdir(dir, 0o755); err == nil {
			*program, err = install(*program, dir)
		}
		if err != nil {
			return nil, errors.Join(err, remove())
		}
	}
	return remove, nil
}
