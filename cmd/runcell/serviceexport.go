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
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

const (
	layoutDir = "layout"
	rootImage = "root"
	dataImage = "data-"
)

func (a *app) importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "take over a cell that \"service export\" has packed", ArgsUsage: "FILE",
		Description: `Its root file system, data directories and declaration come to their places; what is there
already under their names is an error, and is left alone. The cell is not started.`,
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			file, err := onlyArgument(cmd, "a file")
			if err != nil {
				return err
			}
			s, err := a.openServices(cmd)
			if err != nil {
				return err
			}
			return a.caught(ctx, func(ctx context.Context, _ *runtime.Signals) error {
				name, err := s.importFrom(ctx, file)
				if err != nil {
					return fmt.Errorf("import %s: %w", file, err)
				}
				fmt.Fprintf(s.Stdout, "%s: imported; \"runcell service start %s\" starts it\n", name, name)
				return nil
			})
		}),
	}
}

// workplace makes a directory for what is half done.
func (s *services) workplace() (dir string, gone func() error, err error) {
	if err := os.MkdirAll(s.dataDir, 0o711); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(s.dataDir, "moving."); err != nil {
		return "", nil, err
	}
	return dir, func() error { return removeTree(dir) }, nil
}

// export packs a cell that does not run: what is being written is not whole.
func (s *services) export(ctx context.Context, d *service.Declaration, file string) (says string, err error) {
	if file == "" {
		return "", errors.New("name a file to export to")
	}
	is, _, err := s.condition(d)
	if err == nil && is != isDown {
		err = fmt.Errorf("it is %s: stop it first, or what it writes meanwhile is half in the file", is)
	}
	if err == nil && d.Bundle != "" {
		err = errors.New("it is declared with a bundle, which is yours to move")
	}
	if err != nil {
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

// dataOf lists the named data directories of a cell.
func dataOf(d *service.Declaration) (names []string) {
	for _, v := range d.Settings.Volumes {
		if v.Name != "" {
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
	b, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return cmdline.ReplaceBytes(filepath.Join(to, name), 0o600, b)
}

// cellIn gives the name of the cell whose export is in a directory.
func cellIn(dir string) (string, error) {
	list, err := filepath.Glob(filepath.Join(dir, "*"+service.Suffix))
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("it is no export of a cell: it has %d declarations", len(list))
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(filepath.Base(list[0]), service.Suffix), nil
}

// importFrom unpacks an export beside everything, and then puts it in place, the
// declaration last: before that, nobody starts it.
func (s *services) importFrom(ctx context.Context, file string) (name string, err error) {
	dir, gone, err := s.workplace()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, gone()) }()
	if err = s.runImage(ctx, s.cmd, []string{"image", "unwrap", "--", file, dir}); err == nil {
		name, err = cellIn(dir)
	}
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, name+service.Suffix))
	if err != nil {
		return "", err
	}
	d, err := service.Parse(name, text)
	if err == nil {
		err = s.free(d)
	}
	if err != nil {
		return "", err
	}
	for _, image := range append([]string{rootImage}, prefixed(dataImage, dataOf(d))...) {
		if err := s.runImage(ctx, s.cmd, []string{"image", "unpack", "--", "oci:" + filepath.Join(dir, layoutDir) + ":" + image, filepath.Join(dir, image)}); err != nil {
			return "", err
		}
	}
	return name, s.settle(d, dir, text)
}

func prefixed(prefix string, names []string) (out []string) {
	for _, name := range names {
		out = append(out, prefix+name)
	}
	return out
}

// free tells whether nothing is in the places of a cell.
func (s *services) free(d *service.Declaration) error {
	places := []string{filepath.Join(s.dir, d.Name+service.Suffix), s.home(d)}
	for _, name := range dataOf(d) {
		places = append(places, filepath.Join(s.dataDirs(), name))
	}
	for _, path := range places {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there already: move it away", path), err)
		}
	}
	return nil
}

// settle puts what is unpacked in dir in its places.
func (s *services) settle(d *service.Declaration, dir string, text []byte) error {
	root := filepath.Join(dir, rootImage)
	if err := errors.Join(copyFile(dir, root, "config.json"), copyFile(dir, root, "image.json")); err != nil {
		return err
	}
	o, err := readMade(root)
	if err != nil {
		return err
	}
	for _, path := range []string{s.home(d), s.dir} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.dataDirs(), 0o711); err != nil {
		return err
	}
	for _, name := range dataOf(d) {
		if err := os.Rename(filepath.Join(dir, dataImage+name, "rootfs"), filepath.Join(s.dataDirs(), name)); err != nil {
			return err
		}
	}
	if err := os.Rename(root, s.rootDir(d, 1)); err != nil {
		return err
	}
	if err := s.setRoots(d, service.Roots{}.Add(service.Root{Number: 1, Image: d.Image, Manifest: o.Manifest})); err != nil {
		return err
	}
	return cmdline.ReplaceBytes(filepath.Join(s.dir, d.Name+service.Suffix), 0o644, text)
}
