package main

// image pull, import and push.

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/urfave/cli/v3"
)

const nameHelp = `NAME is [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:HEX. Without REGISTRY it
belongs to docker.io, without TAG to the tag latest.`

func registryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "authfile", Usage: "read credentials from `FILE` (default: where podman and docker keep them)"},
		&cli.BoolFlag{Name: "plain-http", Usage: "talk HTTP instead of HTTPS (default: only on the loopback interface)"},
	}
}

func registryOptions(cmd *cli.Command) registry.Options {
	o := registry.Options{AuthFile: cmd.String("authfile")}
	if cmd.IsSet("plain-http") {
		plain := cmd.Bool("plain-http")
		o.PlainHTTP = &plain
	}
	return o
}

func copyFlags() []cli.Flag {
	return append([]cli.Flag{
		storeFlag(),
		platformFlag(),
		&cli.BoolFlag{Name: "all-platforms", Usage: "take the images for all platforms"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
	}, limitFlags(false)...)
}

func copyOptions(cmd *cli.Command, t *transfers) (o transfer.CopyOptions, err error) {
	if cmd.Bool("all-platforms") && cmd.String("platform") != "" {
		return o, fmt.Errorf("--platform and --all-platforms exclude each other: give one of them")
	}
	if o.Platform, err = manifest.ParsePlatform(cmd.String("platform")); err != nil {
		return o, err
	}
	o.AllPlatforms, o.Limits, o.TrustIndex = cmd.Bool("all-platforms"), limitsOf(cmd), cmd.Bool("trust-index")
	if !cmd.Bool("quiet") {
		o.Progress = t.report
	}
	return o, nil
}

func pullCommand() *cli.Command {
	return &cli.Command{
		Name:      "pull",
		Usage:     "fetch an image from a registry",
		ArgsUsage: "NAME",
		Description: nameHelp + `

Prints the digest. A lost connection is taken up again where it broke; so is an
interrupted pull, by the next one. Every byte is verified before the store has
it. Credential helpers are not started: they would be programs out of PATH.`,
		Flags: append(copyFlags(), registryFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			t := newTransfers(cmd.Root().ErrWriter, "pull")
			o, err := copyOptions(cmd, t)
			if err != nil {
				return err
			}
			return withStore(ctx, cmd, true, false, func(ctx context.Context, s *store.Store) error {
				res, err := transfer.Pull(ctx, s, args[0], registryOptions(cmd), o)
				t.finish()
				if err != nil {
					return err
				}
				warn(ctx, cmd, res.Notes)
				_, err = fmt.Fprintln(cmd.Root().Writer, res.Manifest)
				return err
			})
		},
	}
}

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "copy images out of a directory or archive into the store",
		ArgsUsage: "SOURCE [NAME]",
		Description: `SOURCE is
    oci:DIR[:REF]              an OCI image layout in a directory
    oci-archive:FILE[:REF]     a tar archive of one, also compressed
    docker-archive:FILE[:REF]  what "docker save" and "podman save" make
    PATH                       one of the first two; begins with / or .
Without NAME the images keep the names that they have there; a localhost name of
another image here is an error then. A NAME without a registry belongs to
localhost. Prints the full names.`,
		Flags: append(copyFlags(), &cli.BoolFlag{Name: "replace", Usage: "let SOURCE take localhost names away from images that are here"}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 2)
			if err != nil {
				return err
			}
			t := newTransfers(cmd.Root().ErrWriter, "import")
			o, err := copyOptions(cmd, t)
			if err != nil {
				return err
			}
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			o.Replace = cmd.Bool("replace")
			return withStore(ctx, cmd, true, false, func(ctx context.Context, s *store.Store) error {
				list, err := transfer.Import(ctx, s, args[0], name, o)
				t.finish()
				if err != nil {
					return err
				}
				for _, c := range list {
					warn(ctx, cmd, c.Notes)
					fmt.Fprintln(cmd.Root().Writer, c.Name)
				}
				return nil
			})
		},
	}
}

func pushCommand() *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "send an image to a registry, or write it to a directory or archive",
		ArgsUsage: "NAME [TARGET]",
		Description: `TARGET is another name, such as registry.example.com/web:1, or
    oci:DIR[:REF]              an OCI image layout in a directory
    oci-archive:FILE[:REF]     a tar archive of one
    PATH                       a directory, or an archive if it ends in .tar;
                               begins with / or .
Without TARGET the image goes to the registry of its own name. What a place
keeps of other images stays. Prints the digest.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
		}, registryFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 2)
			if err != nil {
				return err
			}
			target := ""
			if len(args) == 2 {
				target = args[1]
			}
			t := newTransfers(cmd.Root().ErrWriter, "push")
			o := transfer.PushOptions{Registry: registryOptions(cmd)}
			if !cmd.Bool("quiet") {
				o.Progress = t.report
			}
			return withStore(ctx, cmd, false, false, func(ctx context.Context, s *store.Store) error {
				res, err := transfer.Push(ctx, s, args[0], target, o)
				t.finish()
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.Root().Writer, res.Manifest)
				return err
			})
		},
	}
}
