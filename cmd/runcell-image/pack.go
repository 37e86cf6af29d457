package main

// image pack: a directory becomes an image.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/urfave/cli/v3"
)

func packCommand() *cli.Command {
	return &cli.Command{
		Name:      "pack",
		Usage:     "make an image from a directory",
		ArgsUsage: "ROOTFS IMAGE",
		Description: imageNames + `
A PATH that does not exist becomes an archive if it ends in .tar, else a
directory. A layout that exists gets the image added; an image of the same
name is replaced. A NAME without a registry belongs to localhost.

With --base the image keeps the configuration of IMAGE: flags change it, lists
of variables, labels, ports and volumes are added to.

The same ROOTFS and flags give the same image, whose digest is printed. Only
the files' times can differ from machine to machine: --mtime sets them, and the
environment's SOURCE_DATE_EPOCH limits them. The image's time is either's, or that
of its newest file. Names of users are not kept, only
their numbers. Sockets and the content of mounted file systems are left out.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "base", Usage: "pack only what differs from `IMAGE`, as a layer on top of it"},
			&cli.StringFlag{Name: "tag", Aliases: []string{"t"}, Usage: "name the image `NAME` in the layout"},
			&cli.StringFlag{Name: "platform", Usage: "the image is for `OS/ARCH[/VARIANT]` (default: this host's)"},
			&cli.StringFlag{Name: "mtime", Usage: "give every file this modification `TIME` (seconds since 1970, or 2006-01-02T15:04:05Z)"},
		}, slices.Concat(newImageFlags(""), surroundingFlags(), limitFlags(true))...),
		Action: packImage,
	}
}

func packImage(ctx context.Context, cmd *cli.Command) error {
	rootfs, name, err := twoArguments(cmd)
	if err != nil {
		return err
	}
	o, err := packOptions(cmd)
	if err != nil {
		return err
	}
	o.Base, o.Limits, o.TrustIndex = cmd.String("base"), limitsOf(cmd), cmd.Bool("trust-index")
	if err := baseOnly(cmd); err != nil {
		return err
	}
	if o.Store, err = storeDir(cmd); err != nil && (!reference.IsPlace(name) || o.Base != "" && !reference.IsPlace(o.Base)) {
		return err
	}
	p := newProgress(cmd.Root().ErrWriter, "pack")
	o.Progress = p.report
	res, err := pack.Pack(ctx, rootfs, name, o)
	p.finish()
	if err != nil {
		return err
	}
	warn(ctx, cmd, res.Notes)
	_, err = fmt.Fprintln(cmd.Root().Writer, res.Manifest)
	return err
}

// baseOnly refuses flags that say something about a base if there is none.
func baseOnly(cmd *cli.Command) error {
	if cmd.String("base") != "" {
		return nil
	}
	for _, f := range limitFlags(true) {
		if name := f.Names()[0]; cmd.IsSet(name) {
			return fmt.Errorf("--%s says something about the image that is built upon: name one with --base IMAGE", name)
		}
	}
	return nil
}

func packOptions(cmd *cli.Command) (pack.Options, error) {
	n, err := newImage(cmd)
	o := pack.Options{Compression: n.compression, Tag: cmd.String("tag"), Author: n.author, Epoch: n.epoch, Config: n.config}
	if err != nil {
		return o, err
	}
	if o.Platform, err = manifest.ParsePlatform(cmd.String("platform")); err != nil {
		return o, err
	}
	if err := surroundings(cmd, &o.Config); err != nil {
		return o, err
	}
	o.MTime, err = parseTime("--mtime", cmd.String("mtime"))
	return o, err
}
