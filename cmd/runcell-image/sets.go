package main

// image from-sets: NetBSD's release sets become an image.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/sets"
	"github.com/urfave/cli/v3"
)

func fromSetsCommand() *cli.Command {
	limits := image.DefaultLimits()
	return &cli.Command{
		Name:      "from-sets",
		Usage:     "make a NetBSD image from release sets",
		ArgsUsage: "SET...",
		Description: `A SET is one of the archives that a NetBSD release consists of, such as
base.tar.xz and etc.tar.xz, compressed with xz or gzip. Each becomes a layer,
later ones above earlier ones. The same sets and flags give the same image,
whose digest is printed.

Give --sums FILE with the file SHA512 that NetBSD publishes beside the sets, and
check the signature of that file first: nothing else says where sets are from.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "tag", Aliases: []string{"t"}, Usage: "call the image `IMAGE`: a name in the store, or a place (oci:DIR:REF, oci-archive:FILE:REF)"},
			&cli.StringFlag{Name: "arch", Usage: "the sets are for `ARCH`, such as amd64, i386 or evbarm-aarch64"},
			&cli.StringFlag{Name: "os-version", Usage: "the sets are of the release `VERSION`"},
			&cli.StringFlag{Name: "sums", Usage: "verify the sets by the SHA512 checksums in `FILE`"},
			&cli.BoolFlag{Name: "squash", Usage: "make one layer of all sets"},
			&cli.StringFlag{Name: "created", Usage: "the image is of `TIME` (seconds since 1970, or 2006-01-02T15:04:05Z), and no file is newer"},
			&cli.Int64Flag{Name: "max-size", Value: limits.MaxSize, Usage: "refuse sets of more than `BYTES` uncompressed (0: no limit)"},
			&cli.Int64Flag{Name: "max-entries", Value: limits.MaxEntries, Usage: "refuse sets of more than `N` files (0: no limit)"},
			&cli.Int64Flag{Name: "max-path", Value: limits.MaxPath, Usage: "refuse names of more than `BYTES` (0: no limit)"},
		}, newImageFlags("/bin/sh")...),
		Action: fromSets,
	}
}

func fromSets(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, 1, 1000)
	if err != nil {
		return err
	}
	if cmd.String("tag") == "" || cmd.String("arch") == "" {
		return errors.New("image from-sets needs --tag IMAGE and --arch ARCH: sets don't say what they are")
	}
	n, err := newImage(cmd)
	if err != nil {
		return err
	}
	o := sets.Options{
		Compression: n.compression, Squash: cmd.Bool("squash"), Sums: cmd.String("sums"), Author: n.author, Epoch: n.epoch, Config: n.config,
		Limits: limitsOf(cmd),
	}
	if o.Platform, err = sets.Platform(cmd.String("arch")); err != nil {
		return err
	}
	o.Platform.OSVersion = cmd.String("os-version")
	if created, err := parseTime("--created", cmd.String("created")); err != nil {
		return err
	} else if created != nil {
		o.Epoch = created
	}
	if o.Store, err = storeDir(cmd); err != nil && !reference.IsPlace(cmd.String("tag")) {
		return err
	}
	p := newProgress(cmd.Root().ErrWriter, "from-sets")
	o.Progress = p.report
	res, err := sets.FromSets(ctx, args, cmd.String("tag"), o)
	p.finish()
	if err != nil {
		return err
	}
	warn(ctx, cmd, res.Notes)
	_, err = fmt.Fprintln(cmd.Root().Writer, res.Manifest)
	return err
}
