package main

// image diff: what changed in a root file system since it was unpacked.

import (
	"context"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/urfave/cli/v3"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "tell what changed in a bundle's root file system against its image",
		ArgsUsage: "BUNDLE",
		Description: `Prints a line for each change: added, removed or changed, the path, and what
changed of it. Of what was added or removed only the topmost directory is named.
The image is read from its layers again and verified, and contents are compared
byte by byte, so nothing hides in an old time. The bundle's file image.json says
which image it is; whoever could write to the bundle could change that: then
name the image with --image.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			platformFlag(),
			cmdline.FormatFlag("table", "json"),
			&cli.StringFlag{Name: "image", Usage: "compare with `IMAGE`, not with the one that image.json names"},
		}, limitFlags(true)...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			o := bundle.DiffOptions{Image: cmd.String("image"), TrustIndex: cmd.Bool("trust-index"), Limits: limitsOf(cmd)}
			if o.Platform, err = manifest.ParsePlatform(cmd.String("platform")); err != nil {
				return err
			}
			if o.Image != "" && !reference.IsPlace(o.Image) {
				if o.Store, err = storeDir(cmd); err != nil {
					return err
				}
			}
			list, err := bundle.Diff(ctx, args[0], o)
			if err != nil {
				return err
			}
			if cmd.String("format") == "json" {
				return cmdline.WriteJSON(cmd.Root().Writer, append([]bundle.Change{}, list...), "  ")
			}
			rows := [][]string{}
			for _, c := range list {
				rows = append(rows, []string{c.Kind, c.Path, strings.Join(c.What, ",")})
			}
			return cmdline.WriteTable(cmd.Root().Writer, rows)
		},
	}
}
