package main

// image unpack: an image becomes a bundle.

import (
	"context"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/urfave/cli/v3"
)

func unpackCommand() *cli.Command {
	return &cli.Command{
		Name:      "unpack",
		Usage:     "make a bundle from an image",
		ArgsUsage: "IMAGE BUNDLE",
		Description: imageNames + `

BUNDLE must be missing or empty. It gets the directory rootfs and at last
config.json: a BUNDLE without that file is not whole, and one with it is, even
after a power failure, unless --no-sync is given. On an error or an
interrupt everything is removed again. A new BUNDLE is open to its owner only,
because an image can hold set-id programs and devices.

Every blob is verified. An image that tries to reach outside of BUNDLE, or
that costs more than the limits below, is refused.`,
		Flags:  append([]cli.Flag{storeFlag(), platformFlag()}, unpackFlags()...),
		Action: unpack,
	}
}

// unpackFlags are those of every command that unpacks, beside the store and
// the platform.
func unpackFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "reserve-ports", Usage: "reserve the ports that the image exposes for the cell"},
		&cli.BoolFlag{Name: "no-sync", Usage: "do not wait until everything is on the disk"},
	}, limitFlags(true)...)
}

func unpackOptions(cmd *cli.Command) (o bundle.UnpackOptions, err error) {
	o = bundle.UnpackOptions{
		ReservePorts: cmd.Bool("reserve-ports"),
		NoSync:       cmd.Bool("no-sync"),
		Strict:       cmd.Bool("strict"),
		TrustIndex:   cmd.Bool("trust-index"),
		Limits:       limitsOf(cmd),
	}
	o.Platform, err = manifest.ParsePlatform(cmd.String("platform"))
	return o, err
}

func unpack(ctx context.Context, cmd *cli.Command) error {
	name, dir, err := twoArguments(cmd)
	if err != nil {
		return err
	}
	o, err := unpackOptions(cmd)
	if err != nil {
		return err
	}
	if o.Store, err = storeDir(cmd); err != nil && !reference.IsPlace(name) {
		return err
	}
	p := newProgress(cmd.Root().ErrWriter, "unpack")
	o.Progress = p.report
	res, err := bundle.Unpack(ctx, name, dir, o)
	p.finish()
	if err != nil {
		return err
	}
	warn(ctx, cmd, res.Notes)
	return nil
}
