package main

// The limits of images, from flags.

import (
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image"
	"github.com/urfave/cli/v3"
)

// limitFields are the limits by their flags.
func limitFields(l *image.Limits) map[string]*int64 {
	return map[string]*int64{
		"max-size": &l.MaxSize, "max-blobs": &l.MaxBlobs, "max-layers": &l.MaxLayers, "max-volumes": &l.MaxVolumes,
		"max-entries": &l.MaxEntries, "max-path": &l.MaxPath, "max-ratio": &l.MaxRatio, "max-window": &l.MaxWindow,
	}
}

// limitFlags are the flags of a command that unpacks, or that only copies.
func limitFlags(unpacks bool) (flags []cli.Flag) {
	limits := image.DefaultLimits()
	fields := limitFields(&limits)
	for _, l := range cmdline.Limits {
		if l.Copy || unpacks {
			flags = append(flags, l.Flag("", *fields[l.Name]))
		}
	}
	return append(flags, trustFlag())
}

func trustFlag() cli.Flag {
	return &cli.BoolFlag{Name: "trust-index", Usage: "take the index's word for the architecture where the image says another"}
}

// limitsOf gives the limits of a command line; those that are no flags of the
// command have their defaults.
func limitsOf(cmd *cli.Command) *image.Limits {
	limits := image.DefaultLimits()
	for name, field := range limitFields(&limits) {
		if cmd.IsSet(name) {
			*field = cmd.Int64(name)
		}
	}
	return &limits
}
