package main

// The image command and what its commands share.

import (
	"context"
	"fmt"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image"
	"github.com/urfave/cli/v3"
)

const imageNames = `An IMAGE is
    oci:DIR[:NAME]            an OCI image layout in a directory
    oci-archive:FILE[:NAME]   a tar archive of one, also compressed
    PATH                      either of them; it begins with / or .
    NAME                      a name in the store, see "runcell image list"
:NAME is the annotation org.opencontainers.image.ref.name, which tools call a
tag. It can be left out if there is only one image for the platform.`

// imageCommand groups the commands that work on images.
func imageCommand() *cli.Command {
	c := &cli.Command{
		Name:        "image",
		Usage:       "get, keep, make and unpack images",
		Description: imageNames,
		Commands: []*cli.Command{
			pullCommand(), importCommand(), pushCommand(), listCommand(), inspectCommand(), tagCommand(),
			unpackCommand(), packCommand(), configCommand(), fromSetsCommand(), diffCommand(), bundleCommand(), releaseCommand(), wrapCommand(), unwrapCommand(), verifyCommand(), rmCommand(), gcCommand(),
		},
		Before: func(ctx context.Context, cmd *cli.Command) (context.Context, error) {
			cmdline.LogInert(ctx, cmd)
			return ctx, nil
		},
	}
	for _, below := range c.Commands {
		below.Action = interruptible(below.Action)
	}
	return c
}

// twoArguments gives the arguments of unpack and pack.
func twoArguments(cmd *cli.Command) (first, second string, err error) {
	if n := cmd.Args().Len(); n != 2 {
		return "", "", fmt.Errorf("image %s needs two arguments, got %d; usage: %s [flags] %s", cmd.Name, n, cmd.FullName(), cmd.ArgsUsage)
	}
	return cmd.Args().Get(0), cmd.Args().Get(1), nil
}

// warn prints notes. Standard error is not a container's here, so they are
// shown on anything; --log takes them instead.
func warn(ctx context.Context, cmd *cli.Command, list []image.Note) {
	for _, n := range list {
		if cmd.String("log") != "" {
			log.G(ctx).Warn(n.String())
		} else {
			fmt.Fprintln(cmd.Root().ErrWriter, "runcell: warning: "+n.String())
		}
	}
}
