package main

// Containers of images: before create and run, the image program makes a
// bundle below the state directory; after delete it removes it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// imageBundles holds these bundles, by container. No container can have this
// name: "@" does not occur in an ID.
const imageBundles = "@images"

func imageFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "image", Usage: "make a bundle of the image `NAME` in the store, and remove it with the container"},
		&cli.StringFlag{Name: "rootfs", Usage: "with --image, give the cell a `copy|shared` root file system: its own, or a read-only one with tmpfs on some directories (default: copy)"},
		&cli.StringFlag{Name: "store", Usage: "with --image, look for it in the store `DIR`"},
		&cli.StringFlag{Name: "platform", Usage: "with --image, take the one for `OS/ARCH[/VARIANT]`"},
		&cli.BoolFlag{Name: "reserve-ports", Usage: "with --image, reserve the ports that it exposes for the cell"},
		&cli.BoolFlag{Name: "trust-index", Usage: "with --image, take the index's word for the architecture where the image says another"},
	}
	for _, l := range cmdline.Limits {
		flags = append(flags, l.Flag("with --image, ", 0))
	}
	return append(flags, settingFlags()...)
}

// bundlePath is where the bundle of an image container lies.
func (a *app) bundlePath(cmd *cli.Command, id string) (string, error) {
	dir, err := a.stateDir(cmd.Root())
	return filepath.Join(dir, imageBundles, id), err
}

// withImage runs f, which creates a container, on the bundle that --image
// asks for. The bundle goes again if f fails, or if the container has gone
// by itself. flags are the command's imageFlags.
func (a *app) withImage(ctx context.Context, cmd *cli.Command, flags []cli.Flag, o *runtime.CreateOptions, f func() (kept bool, err error)) error {
	name := cmd.String("image")
	if name == "" {
		for _, f := range flags {
			if f.IsSet() {
				return fmt.Errorf("--%s says something about an image: name one with --image NAME", f.Names()[0])
			}
		}
		if cmd.Args().Len() > 1 {
			_, err := containerID(cmd)
			return fmt.Errorf("%w (a command behind it takes the place of an image's: name one with --image NAME, or change process.args in the bundle's config.json)", err)
		}
		_, err := f()
		if _, serr := os.Stat("config.json"); !cmd.IsSet("bundle") && errors.Is(err, fs.ErrNotExist) && errors.Is(serr, fs.ErrNotExist) {
			err = fmt.Errorf("%w; name a bundle with --bundle, or an image with --image", err)
		}
		return err
	}
	said, err := a.settingsOf(cmd)
	if err != nil {
		return err
	}
	switch {
	case cmd.IsSet("bundle"):
		return errors.New("--image and --bundle exclude each other: give one of them")
	case a.euid != 0:
		return errors.New("--image needs root, who can give files away: as another user, unpack the image (runcell image unpack) and give --bundle")
	}
	if err := runtime.ValidateID(o.ID); err != nil {
		return err
	}
	path, err := a.bundlePath(cmd, o.ID)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a place for the bundle: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("create %q: %w; if \"runcell list\" does not show it, \"runcell delete --force %s\" removes what is left of it", o.ID, runtime.ErrExist, o.ID)
	}
	args := []string{"image", "bundle"}
	for _, flag := range []string{"store", "platform", "rootfs"} {
		if cmd.IsSet(flag) {
			args = append(args, "--"+flag, cmd.String(flag))
		}
	}
	for _, flag := range []string{"reserve-ports", "trust-index"} {
		if cmd.Bool(flag) {
			args = append(args, "--"+flag)
		}
	}
	for _, l := range cmdline.Limits {
		if cmd.IsSet(l.Name) {
			args = append(args, "--"+l.Name, strconv.FormatInt(cmd.Int64(l.Name), 10))
		}
	}
	if err := a.runImage(ctx, cmd, append(args, "--", name, path)); err != nil {
		return err
	}
	o.Bundle = path
	if said.Any() {
		err = a.adjust(path, path, said)
	}
	var kept bool
	if err == nil {
		kept, err = f()
	}
	if kept {
		return err
	}
	_, rerr := a.releaseImage(context.WithoutCancel(ctx), cmd, o.ID)
	return joinErrors(err, rerr)
}

// joinErrors keeps a program's exit status what it is.
func joinErrors(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// releaseImage removes the bundle of a container that is gone, if --image made
// one, and tells where that was.
func (a *app) releaseImage(ctx context.Context, cmd *cli.Command, id string) (path string, err error) {
	if path, err = a.bundlePath(cmd, id); err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, a.runImage(ctx, cmd, []string{"image", "release", "--", path})
}

// runImage runs a command of the image program. Its messages go to standard
// error or the log, as this program's do.
func (a *app) runImage(ctx context.Context, cmd *cli.Command, args []string) error {
	return a.runImageTo(ctx, cmd, a.Stderr, args)
}

func (a *app) runImageTo(ctx context.Context, cmd *cli.Command, out io.Writer, args []string) error {
	places, err := a.imagePrograms()
	if err != nil {
		return err
	}
	var global []string
	for _, flag := range []string{"log", "log-format"} {
		if root := cmd.Root(); root.IsSet(flag) {
			global = append(global, "--"+flag, root.String(flag))
		}
	}
	for _, flag := range []string{"debug", "strict"} {
		if cmd.Root().Bool(flag) {
			global = append(global, "--"+flag)
		}
	}
	for _, path := range places {
		child := &exec.Cmd{Path: path, Args: slices.Concat([]string{"runcell"}, global, args), Stdout: direct(out), Stderr: direct(a.Stderr)}
		err := a.spawn(ctx, child)
		var ended *exec.ExitError
		switch {
		case errors.As(err, &ended):
			return cmdline.ExitStatus(cmdline.ExitFailure) // it has said why
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return missingImageProgram(places)
}

// direct is a stream as a child gets it: not through a pipe.
func direct(w io.Writer) io.Writer {
	if f, ok := stdstream.File(w); ok {
		return f
	}
	return w
}
