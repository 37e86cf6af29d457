package main

// The other half of serviceexport.go: a cell is taken over.

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
	"github.com/urfave/cli/v3"
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
			return a.interruptible(ctx, func(ctx context.Context) error {
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

// cellIn gives the name of the cell whose export is in a directory.
func cellIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), service.Suffix); ok {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return "", fmt.Errorf("it is no export of a cell: it has %d declarations", len(names))
	}
	return names[0], nil
}

// importFrom unpacks an export beside everything, and then puts it in place, the
// declaration last: before that, nobody starts it.
func (s *services) importFrom(ctx context.Context, file string) (name string, err error) {
	if _, err := os.Stat(file); err != nil { // before a place is made for it
		return "", err
	}
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
	text, err := readSmall(filepath.Join(dir, name+service.Suffix))
	if err != nil {
		return "", err
	}
	d, err := service.Parse(name, text)
	if err == nil && d.Bundle != "" {
		err = errors.New("it is no export of a cell: it is declared with a bundle")
	}
	if err != nil {
		return "", err
	}
	_, err = s.alone(ctx, d, func(d *service.Declaration) (string, error) {
		if err := s.free(d); err != nil {
			return "", err
		}
		for _, image := range append([]string{rootImage}, prefixed(dataImage, dataOf(d))...) {
			if err := s.runImage(ctx, s.cmd, []string{"image", "unpack", "--", "oci:" + filepath.Join(dir, layoutDir) + ":" + image, filepath.Join(dir, image)}); err != nil {
				return "", err
			}
		}
		return "", s.settle(d, dir, text)
	})
	return name, err
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

// settle puts what is unpacked in dir in its places, or nothing of it.
func (s *services) settle(d *service.Declaration, dir string, text []byte) (err error) {
	root := filepath.Join(dir, rootImage)
	if err := errors.Join(copyFile(dir, root, "config.json"), copyFile(dir, root, "image.json")); err != nil {
		return err
	}
	o, err := readMade(root)
	if err != nil {
		return err
	}
	for _, path := range []string{filepath.Dir(s.home(d)), s.dir} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.dataDirs(), 0o711); err != nil {
		return err
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	moves := [][2]string{{root, filepath.Join(home, "1")}}
	for _, name := range dataOf(d) {
		moves = append(moves, [2]string{filepath.Join(dir, dataImage+name, "rootfs"), filepath.Join(s.dataDirs(), name)})
	}
	moves = append(moves, [2]string{home, s.home(d)})
	done := 0
	defer func() {
		if err == nil {
			return
		}
		for _, m := range slices.Backward(moves[:done]) {
			err = errors.Join(err, os.Rename(m[1], m[0]))
		}
	}()
	for _, m := range moves {
		if err := os.Rename(m[0], m[1]); err != nil {
			return err
		}
		done++
	}
	if err := s.setRoots(d, service.Roots{}.Add(service.Root{Number: 1, Image: d.Image, Manifest: o.Manifest})); err != nil {
		return err
	}
	return cmdline.ReplaceBytes(filepath.Join(s.dir, d.Name+service.Suffix), 0o644, text)
}
