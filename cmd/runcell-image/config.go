package main

// image config: an image under another configuration.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/urfave/cli/v3"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:      "config",
		Usage:     "change what an image says of its program, and none of its files",
		ArgsUsage: "IMAGE NEW",
		Description: imageNames + `
The image is called NEW, which can be IMAGE; its layers are those of IMAGE, and
its history gets an entry. A NEW without a registry belongs to localhost. If it is
another image's, the name is taken away from that one.

--unset comes first. Variables, labels, ports and volumes are added, the others
replaced; --entrypoint takes the image's CMD away, which was for another one. The
same flags give the same image, whose digest is printed: its time stays, or is the
environment's SOURCE_DATE_EPOCH.

If IMAGE stands for several platforms, --platform says for which one NEW is.`,
		Flags: slices.Concat([]cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "platform", Usage: "take the image for `OS/ARCH[/VARIANT]` (default: the only one there is)"},
			&cli.StringSliceFlag{Name: "unset", Usage: "take `FIELD[=NAME]` away: " + strings.Join(pack.Fields(), ", ") + ", or one variable, port, label or volume; once for each"},
		}, programFlags(""), surroundingFlags(), limitFlags(false)),
		Action: configure,
	}
}

func configure(ctx context.Context, cmd *cli.Command) error {
	from, to, err := twoArguments(cmd)
	if err != nil {
		return err
	}
	o, err := configOptions(cmd)
	if err != nil {
		return err
	}
	if o.Store, err = storeDir(cmd); err != nil && (!reference.IsPlace(from) || !reference.IsPlace(to)) {
		return err
	}
	res, err := pack.Configure(ctx, from, to, o)
	if err != nil {
		return err
	}
	warn(ctx, cmd, res.Notes)
	_, err = fmt.Fprintln(cmd.Root().Writer, res.Manifest)
	return err
}

func configOptions(cmd *cli.Command) (o pack.ConfigOptions, err error) {
	n, err := newImage(cmd)
	if err != nil {
		return o, err
	}
	o = pack.ConfigOptions{Author: n.author, Epoch: n.epoch, Set: n.config, Unset: cmd.StringSlice("unset"), TrustIndex: cmd.Bool("trust-index"), Limits: limitsOf(cmd)}
	if err := surroundings(cmd, &o.Set); err != nil {
		return o, err
	}
	if cmd.IsSet("platform") {
		p, err := manifest.ParsePlatform(cmd.String("platform"))
		if err != nil {
			return o, err
		}
		o.Platform = &p
	}
	changes := len(o.Unset) > 0
	for _, f := range slices.Concat(programFlags(""), surroundingFlags()) {
		name := f.Names()[0]
		_, word := f.(*cli.StringFlag)
		if changes = changes || cmd.IsSet(name); word && cmd.IsSet(name) && cmd.String(name) == "" {
			return o, fmt.Errorf("--%s is empty: --unset %s takes away what the image says", name, name)
		}
	}
	if !changes {
		return o, errors.New("image config was told nothing to change: give one of its flags, or use \"runcell image tag\" for another name")
	}
	return o, nil
}
