package main

// image diff: what changed in a root file system since it was unpacked.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "tell what changed in a bundle's root file system against its image",
		ArgsUsage: "BUNDLE|ID",
		Description: `Prints a line for each change: added, removed or changed, the path, and what
changed of it. Of what was added or removed only the topmost directory is named.
The image is read from its layers again and verified, and contents are compared
byte by byte, so nothing hides in an old time. The bundle's file image.json says
which image it is; whoever could write to the bundle could change that: then
name the image with --image. With the ID of a container it is its bundle; a
directory goes before an ID of the same name. The exit status is 0 when nothing
changed, 1 when something did, and 2 for an error.`,
		OnUsageError: func(ctx context.Context, cmd *cli.Command, err error, sub bool) error {
			return cmdline.WithCode(cmdline.UsageError(ctx, cmd, err, sub), exitTrouble)
		},
		Flags: append([]cli.Flag{
			storeFlag(),
			platformFlag(),
			cmdline.FormatFlag("table", "json"),
			&cli.StringFlag{Name: "image", Usage: "compare with `IMAGE`, not with the one that image.json names"},
		}, limitFlags(true)...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			list, err := diff(ctx, cmd)
			if err == nil {
				err = printChanges(cmd, list)
			}
			switch {
			case err != nil:
				return cmdline.WithCode(err, exitTrouble)
			case len(list) > 0:
				return cmdline.ExitStatus(exitDiffers)
			}
			return nil
		},
	}
}

// The exit codes are those of diff(1).
const (
	exitDiffers = 1
	exitTrouble = 2
)

func diff(ctx context.Context, cmd *cli.Command) ([]bundle.Change, error) {
	args, err := arguments(cmd, 1, 1)
	if err != nil {
		return nil, err
	}
	o := bundle.DiffOptions{Image: cmd.String("image"), TrustIndex: cmd.Bool("trust-index"), Limits: limitsOf(cmd)}
	if o.Platform, err = manifest.ParsePlatform(cmd.String("platform")); err != nil {
		return nil, err
	}
	if o.Image != "" && !reference.IsPlace(o.Image) {
		if o.Store, err = storeDir(cmd); err != nil {
			return nil, err
		}
	}
	dir, err := bundleOf(cmd, args[0])
	if err != nil {
		return nil, err
	}
	return bundle.Diff(ctx, dir, o)
}

// bundleOf gives the directory of that name, or the bundle of the container.
func bundleOf(cmd *cli.Command, name string) (string, error) {
	if fi, err := os.Stat(name); err == nil && fi.IsDir() || runtime.ValidateID(name) != nil {
		return name, nil
	}
	containers, err := containersOf(cmd)
	if err != nil {
		return "", err
	}
	s, err := containers.State(name)
	if errors.Is(err, runtime.ErrNotExist) {
		return "", fmt.Errorf("%w, and there is no such directory", err)
	}
	if err != nil {
		return "", err
	}
	return s.Bundle, nil
}

// containersOf only reads what is stored of containers: it has no kernel.
func containersOf(cmd *cli.Command) (*runtime.Runtime, error) {
	root := cmd.Root()
	dir, err := cmdline.StateDir(root.String("root"), root.IsSet("root"), os.Geteuid(), os.Getenv)
	return runtime.New(runtime.Options{Root: dir}), err
}

func printChanges(cmd *cli.Command, list []bundle.Change) error {
	if cmd.String("format") == "json" {
		return cmdline.WriteJSON(cmd.Root().Writer, append([]bundle.Change{}, list...), "  ")
	}
	rows := [][]string{}
	for _, c := range list {
		rows = append(rows, []string{c.Kind, c.Path, strings.Join(c.What, ",")})
	}
	return cmdline.WriteTable(cmd.Root().Writer, rows)
}
