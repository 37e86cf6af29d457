package main

// A whole cell in one file, to move it to another machine:
//
//	NAME.cell               the declaration
//	config.json image.json  of the current root file system's bundle
//	layout/                 an OCI layout: the image "root" has that root file
//	                        system, "data-X" the data directory X
//
// What goes into an image and comes out of it is the image program's, which
// follows no path that a cell could have made.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/kmod/flock"
)

const (
	layoutDir = "layout"
	rootImage = "root"
	dataImage = "data-"
)

// workplace makes a directory for what is half done. Its lock says that somebody
// is at work in it: what a command has left that was killed goes.
func (s *services) workplace() (dir string, gone func() error, err error) {
	if err := os.MkdirAll(s.dataDir, 0o711); err != nil {
		return "", nil, err
	}
	lock, err := os.Open(s.dataDir) // between a directory's beginning and its lock
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = lock.Close() }()
	if err := flock.Lock(context.Background(), int(lock.Fd()), flock.Exclusive); err != nil {
		return "", nil, err
	}
	if err := s.sweep(); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(s.dataDir, workMark); err != nil {
		return "", nil, err
	}
	held, _, err := holdDir(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	return dir, func() error { return errors.Join(removeTree(dir), held.Close()) }, nil
}

// workMark begins the names of these directories.
const workMark = "moving."

// sweep removes those in which nobody is at work.
func (s *services) sweep() error {
	entries, err := os.ReadDir(s.dataDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(strings.TrimPrefix(e.Name(), goneMark), workMark) {
			continue // a file is not ours, and opening a FIFO would wait
		}
		dir := filepath.Join(s.dataDir, e.Name())
		held, free, err := holdDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err == nil && free {
			err = removeTree(dir)
		}
		if err = errors.Join(err, held.Close()); err != nil {
			return err
		}
	}
	return nil
}

// holdDir locks a directory, if nobody has.
func holdDir(dir string) (f *os.File, locked bool, err error) {
	if f, err = os.Open(dir); err == nil {
		locked, err = flock.Try(int(f.Fd()), flock.Exclusive)
	}
	return f, locked, err
}

// export packs a cell that does not run: what is being written is not whole.
func (s *services) export(ctx context.Context, d *service.Declaration, file string) (says string, err error) {
	if file == "" {
		return "", errors.New("name a file to export to")
	}
	is, err := s.condition(d)
	if err == nil && is.life != isDown {
		err = fmt.Errorf("it is %s: stop it first, or what it writes meanwhile is half in the file", is)
	}
	if err == nil && d.Bundle != "" {
		err = errors.New("it is declared with a bundle, which is yours to move")
	}
	if err != nil {
		return "", err
	}
	if err := cmdline.CheckReplace(file); err != nil { // before anything is packed
		return "", err
	}
	base, err := s.base(d)
	if err == nil && base == "" {
		err = errors.New("it has no root file system yet: start it once")
	}
	if err != nil {
		return "", err
	}
	dir, gone, err := s.workplace()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, gone()) }()
	layout := filepath.Join(dir, layoutDir)
	if err := s.pack(ctx, filepath.Join(base, "rootfs"), layout, rootImage); err != nil {
		return "", err
	}
	for _, name := range dataOf(d) {
		if err := s.pack(ctx, filepath.Join(s.dataDirs(), name), layout, dataImage+name); err != nil {
			return "", err
		}
	}
	text, _, err := s.declaration(d.Name)
	if err != nil {
		return "", err
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, d.Name+service.Suffix), text, 0o600),
		copyFile(base, dir, "config.json"), copyFile(base, dir, "image.json"))
	if err != nil {
		return "", err
	}
	return "exported to " + file, s.runImage(ctx, s.cmd, []string{"image", "wrap", "--", dir, file})
}

// dataOf lists the named data directories of a cell, each once, though it may be
// seen at several places.
func dataOf(d *service.Declaration) (names []string) {
	for _, v := range d.Settings.Volumes {
		if v.Name != "" && !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	return names
}

// pack makes an image of a directory, with all that an image can have of it.
func (s *services) pack(ctx context.Context, dir, layout, name string) error {
	return s.runImage(ctx, s.cmd, []string{"image", "pack", "--cmd", "/", "--", dir, "oci:" + layout + ":" + name})
}

func copyFile(from, to, name string) error {
	b, err := readSmall(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return cmdline.ReplaceBytes(filepath.Join(to, name), 0o600, b)
}
