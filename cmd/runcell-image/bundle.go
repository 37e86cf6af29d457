package main

// image bundle and release: what "runcell run --image" does before and after.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/urfave/cli/v3"
)

func bundleCommand() *cli.Command {
	return &cli.Command{
		Name:      "bundle",
		Usage:     "make a bundle whose root file system the store keeps",
		ArgsUsage: "NAME BUNDLE",
		Description: `This is what "runcell run --image NAME" does first. BUNDLE must not exist; it
gets config.json, and image.json, which tells what it was made of. The file
policy in the store says which images may be used.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			platformFlag(),
			&cli.StringFlag{Name: "rootfs", Value: bundle.RootfsCopy, Usage: "give the cell a `copy|shared` root file system: its own, or a read-only one with tmpfs on some directories"},
		}, unpackFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 2, 2)
			if err != nil {
				return err
			}
			p := newProgress(cmd.Root().ErrWriter, "unpack")
			o, err := unpackOptions(cmd)
			if err != nil {
				return err
			}
			o.Progress = p.report
			return withStore(ctx, cmd, false, false, func(ctx context.Context, s *store.Store) error {
				res, err := bundle.Make(ctx, s, args[0], args[1], bundle.MakeOptions{UnpackOptions: o, Rootfs: cmd.String("rootfs")})
				p.finish()
				if err != nil {
					return err
				}
				warn(ctx, cmd, res.Notes)
				return nil
			})
		},
	}
}

func releaseCommand() *cli.Command {
	return &cli.Command{
		Name:      "release",
		Usage:     "remove a bundle that \"image bundle\" made",
		ArgsUsage: "BUNDLE",
		Description: `This is what "runcell delete" does last for a container of "runcell run
--image". BUNDLE says which store it belongs to. Data in a copied root file
system is lost. A file system that is still mounted there is an error.`,
		Action: func(ctx context.Context, cmd *cli.Command) (err error) {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			o, err := bundle.ReadOrigin(args[0])
			if errors.Is(err, fs.ErrNotExist) && os.Remove(args[0]) == nil {
				return nil // empty: "image bundle" got no further
			}
			if err != nil {
				return err
			}
			if o.Store == "" || o.Rootfs == "" {
				return fmt.Errorf("%s has its root file system in itself: remove it with rm -r once nothing is mounted there", args[0])
			}
			s, err := store.Open(ctx, o.Store, false)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, layout.ErrNoLayout) {
				// It went first, and what it kept for the bundle with it. If it comes
				// back, as a disk does, "image gc" finds what no bundle has.
				fmt.Fprintf(cmd.Root().ErrWriter, "runcell: the store %s is gone: what it kept for %s stays, if it comes back, until \"runcell image gc\"\n", cmdline.OneLine(o.Store), cmdline.OneLine(args[0]))
				return bundle.Release(nil, args[0])
			}
			if err != nil {
				return err
			}
			return joinClose(bundle.Release(s, args[0]), s)
		},
	}
}
