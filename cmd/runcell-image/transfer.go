package main

// image pull, import and push.

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/urfave/cli/v3"
)

const nameHelp = `NAME is [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:HEX. Without REGISTRY it
belongs to docker.io, without TAG to the tag latest.`

func registryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "authfile", Usage: "read credentials from `FILE` (default: where podman and docker keep them)"},
		&cli.BoolFlag{Name: "plain-http", Usage: "talk HTTP instead of HTTPS (default: only on the loopback interface)"},
		&cmdline.TimeFlag{Name: "stall-timeout", Value: registry.DefaultStall, Usage: "give a connection up on which nothing has moved for `TIME`"},
		&cmdline.TimeFlag{Name: "max-wait", Value: registry.DefaultPatience, Usage: "wait at most `TIME` if the registry asks to come back later"},
	}
}

func registryOptions(cmd *cli.Command, t *transfers) (registry.Options, error) {
	o := registry.Options{AuthFile: cmd.String("authfile"), Stall: cmd.Duration("stall-timeout"), Patience: cmd.Duration("max-wait")}
	for _, flag := range []string{"stall-timeout", "max-wait"} {
		if d := cmd.Duration(flag); d <= 0 {
			return o, fmt.Errorf("--%s %v: want a time such as 90s", flag, d)
		}
	}
	if !cmd.Bool("quiet") {
		o.Tell = t.retry
	}
	if cmd.IsSet("plain-http") {
		plain := cmd.Bool("plain-http")
		o.PlainHTTP = &plain
	}
	return o, nil
}

func copyFlags() []cli.Flag {
	return append([]cli.Flag{
		storeFlag(),
		platformFlag(),
		&cli.BoolFlag{Name: "all-platforms", Usage: "take the images for all platforms"},
		&cli.StringFlag{Name: "verify-key", Usage: "take only what the public key in `FILE` has signed (PEM, signify or minisign)"},
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
	if cmd.IsSet("verify-key") {
		if o.Key, err = store.ReadKey(cmd.String("verify-key")); err != nil {
			return o, err
		}
	}
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
it, and the signatures that the file policy in the store demands. Credential
helpers are not started: they would be programs out of PATH.`,
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
			r, err := registryOptions(cmd, t)
			if err != nil {
				return err
			}
			return withStore(ctx, cmd, true, false, func(ctx context.Context, s *store.Store) error {
				res, err := transfer.Pull(ctx, s, args[0], r, o)
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
localhost. The store's policy is obeyed as by pull. Prints the full names.`,
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

// signer reads the key of --sign-key, if there is one.
func signer(cmd *cli.Command) (*trust.Signer, error) {
	if !cmd.IsSet("sign-key") {
		return nil, nil //nolint:nilnil // no key is no error
	}
	data, err := store.ReadKeyFile(cmd.String("sign-key"))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	return trust.ParseSigner(cmd.String("sign-key"), data)
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
keeps of other images stays. The signatures of the image that the store has go
with it. Prints the digest.`,
		Flags: append([]cli.Flag{
			storeFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
			&cli.StringFlag{Name: "sign-key", Usage: "sign the image with the private key in `FILE` (PEM or signify, without a passphrase)"},
			&cli.BoolFlag{Name: "replace", Usage: "let an image for one platform take the tag of an index for several"},
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
			o := transfer.PushOptions{Replace: cmd.Bool("replace")}
			if o.Registry, err = registryOptions(cmd, t); err != nil {
				return err
			}
			if o.Sign, err = signer(cmd); err != nil {
				return err
			}
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
