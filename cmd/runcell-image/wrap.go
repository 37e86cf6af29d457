package main

// image wrap and unwrap: what "runcell service export" does last and "import"
// first. The files are a cell's declaration and an OCI layout.

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

func wrapCommand() *cli.Command {
	return &cli.Command{
		Name: "wrap", Usage: "pack the files of a cell's export", ArgsUsage: "DIR FILE",
		Description: `This is what "runcell service export" does last.`,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			dir, file, err := twoArguments(cmd)
			if err != nil {
				return err
			}
			return writeTar(ctx, dir, file)
		},
	}
}

func unwrapCommand() *cli.Command {
	return &cli.Command{
		Name: "unwrap", Usage: "unpack the files of a cell's export", ArgsUsage: "FILE DIR",
		Description: `This is what "runcell service import" does first. A file that no export has is
an error.`,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			file, dir, err := twoArguments(cmd)
			if err != nil {
				return err
			}
			if err := readExport(ctx, file, dir); err != nil {
				return fmt.Errorf("unpack %s: %w", file, err)
			}
			return nil
		},
	}
}

// readExport unpacks an export, which may be a pipe from where it is made: the end of
// ctx ends the wait for that.
func readExport(ctx context.Context, file, dir string) error {
	in, err := await(ctx, func() (*os.File, error) { return os.Open(file) })
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	enough := context.AfterFunc(ctx, func() { _ = in.Close() })
	defer enough()
	return errors.Join(readTar(ctx, in, dir), context.Cause(ctx))
}

// writeTar packs a directory of ours; the file has its name when it is whole.
func writeTar(ctx context.Context, dir, file string) error {
	return cmdline.ReplaceFile(file, 0o600, func(out io.Writer) error {
		w := tar.NewWriter(out)
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err = errors.Join(err, context.Cause(ctx)); err != nil || e.IsDir() {
				return err
			}
			return addFile(w, path, strings.TrimPrefix(path, dir+"/"))
		})
		return errors.Join(err, w.Close())
	})
}

func addFile(w *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: fi.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// exported are the names of files that an export can have.
var exported = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*\.cell|config\.json|image\.json|layout/(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}))$`)

// readTar unpacks an export into a directory of ours.
func readTar(ctx context.Context, in io.Reader, dir string) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return fmt.Errorf("read export: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !exported.MatchString(h.Name) {
			return fmt.Errorf("it is no export of a cell: %q is in it", h.Name)
		}
		if sparse(h) {
			return fmt.Errorf("it is no export of a cell: %q has holes, so that a small file could fill the disk", h.Name)
		}
		if err := takeFile(r, filepath.Join(dir, filepath.FromSlash(h.Name))); err != nil {
			return err
		}
	}
}

// sparse tells whether the archive says where a file has holes: package tar
// gives them as zeros, however many.
func sparse(h *tar.Header) bool {
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func takeFile(r io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
