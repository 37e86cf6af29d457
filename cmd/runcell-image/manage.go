package main

// image list, inspect, tag, rm, gc and verify.

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v3"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:    "list",
		Aliases: []string{"ls"},
		Usage:   "list the images in the store",
		Flags: append([]cli.Flag{
			storeFlag(),
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the names"},
			&cli.StringFlag{Name: "remote-tags", Usage: "list the tags of `REPOSITORY` in its registry instead"},
		}, registryFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			if err := storeOrRegistry(cmd); err != nil {
				return err
			}
			if cmd.IsSet("remote-tags") {
				return listTags(ctx, cmd)
			}
			return withStore(ctx, cmd, false, true, func(_ context.Context, s *store.Store) error { return list(cmd, s) })
		},
	}
}

func list(cmd *cli.Command, s *store.Store) error {
	all := []store.Listed{}
	if s != nil {
		var err error
		if all, err = s.List(); err != nil {
			return err
		}
	}
	out := cmd.Root().Writer
	if cmd.String("format") == "json" && !cmd.Bool("quiet") {
		return cmdline.WriteJSON(out, all, "  ")
	}
	rows := [][]string{{"NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"}}
	if cmd.Bool("quiet") {
		rows = nil
	}
	for _, l := range all {
		name := l.Name
		if name == "" {
			name = string(l.Digest)
		}
		if cmd.Bool("quiet") {
			rows = append(rows, []string{name})
			continue
		}
		state := size(l.Size)
		if l.Error != "" {
			state = "damaged: " + l.Error
		}
		rows = append(rows, []string{name, short(string(l.Digest)), platforms(l.Platforms), day(l.Created), state})
	}
	return cmdline.WriteTable(out, rows)
}

// short is enough of a digest to recognize it.
func short(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return algorithm + ":" + hex[:min(12, len(hex))]
}

func platforms(list []v1.Platform) string {
	var names []string
	for _, p := range list {
		names = append(names, strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"))
	}
	return strings.Join(names, ",")
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "print what is known about an image as JSON",
		ArgsUsage: "NAME",
		Flags:     []cli.Flag{storeFlag(), platformFlag(), trustFlag(), cmdline.FormatFlag("json")},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			platform, err := manifest.ParsePlatform(cmd.String("platform"))
			if err != nil {
				return err
			}
			return withStore(ctx, cmd, false, false, func(_ context.Context, s *store.Store) error {
				i, err := s.Inspect(args[0], manifest.Want{Platform: platform, TrustIndex: cmd.Bool("trust-index")})
				if err != nil {
					return err
				}
				return cmdline.WriteJSON(cmd.Root().Writer, i, "  ")
			})
		},
	}
}

func tagCommand() *cli.Command {
	return &cli.Command{
		Name:      "tag",
		Usage:     "give an image in the store another name",
		ArgsUsage: "NAME NEW",
		Description: `NEW without a registry belongs to localhost. Prints it in full. If another image
has it, it is taken away from that one, and this is said. The store's policy has
to let the image have both names.`,
		Flags: []cli.Flag{storeFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 2, 2)
			if err != nil {
				return err
			}
			return withStore(ctx, cmd, false, false, func(ctx context.Context, s *store.Store) error {
				name, before, err := s.Tag(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				for _, d := range before {
					fmt.Fprintf(cmd.Root().ErrWriter, "runcell: %s was the name of %s; if that has no other one, \"runcell image gc\" removes it\n", name, d)
				}
				_, err = fmt.Fprintln(cmd.Root().Writer, name)
				return err
			})
		},
	}
}

func rmCommand() *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "take a name out of the store",
		ArgsUsage: "NAME...",
		Description: `Prints the full names; if one is not there, none goes. The image's data stays
until "runcell image gc", because other images and cells may use it.`,
		Flags: []cli.Flag{
			storeFlag(),
			&cli.BoolFlag{Name: "all-names", Usage: "take all names of an image that is named by its digest"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 10_000)
			if err != nil {
				return err
			}
			return withStore(ctx, cmd, false, false, func(ctx context.Context, s *store.Store) error {
				removed, err := s.Remove(ctx, cmd.Bool("all-names"), args...)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.Root().Writer, strings.Join(removed, "\n"))
				return err
			})
		},
	}
}

func gcCommand() *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove what no image in the store needs",
		Description: `Removes blobs that no name leads to, root file systems that no cell uses, and
what interrupted commands have left. Waits until no other command uses the
store. If an image is damaged, nothing is removed.`,
		Flags: []cli.Flag{
			storeFlag(),
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only list what would be removed"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			return withStore(ctx, cmd, false, true, func(ctx context.Context, s *store.Store) error { return gc(ctx, cmd, s) })
		},
	}
}

func gc(ctx context.Context, cmd *cli.Command, s *store.Store) error {
	removed := []store.Leftover{}
	if s != nil {
		got, err := s.GC(ctx, cmd.Bool("dry-run"))
		if err != nil {
			return err
		}
		removed = append(removed, got...)
	}
	out := cmd.Root().Writer
	if cmd.String("format") == "json" {
		return cmdline.WriteJSON(out, removed, "  ")
	}
	var total int64
	rows := [][]string{}
	for _, l := range removed {
		rows = append(rows, []string{l.Name, l.Kind, size(l.Size), l.Bundle})
		total += l.Size
	}
	if err := cmdline.WriteTable(out, rows); err != nil {
		return err
	}
	verb := "removed"
	if cmd.Bool("dry-run") {
		verb = "would remove"
	}
	_, err := fmt.Fprintf(out, "%s %d, %s and what directories hold\n", verb, len(removed), size(total))
	return err
}

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "read an image in the store again and compare all digests",
		ArgsUsage: "[NAME]",
		Description: `Without NAME all images are verified. Ends with status 1 if a blob is damaged or
missing, and prints which.`,
		Flags: []cli.Flag{
			storeFlag(),
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "verify blobs that no image needs, too"},
			&cli.BoolFlag{Name: "repair", Usage: "remove damaged blobs, so that pull or import brings them again"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 0, 1)
			if err != nil {
				return err
			}
			name := strings.Join(args, "")
			return withStore(ctx, cmd, false, false, func(ctx context.Context, s *store.Store) error { return verify(ctx, cmd, s, name) })
		},
	}
}

func verify(ctx context.Context, cmd *cli.Command, s *store.Store, name string) error {
	p := newProgress(cmd.Root().ErrWriter, "verify")
	v, err := s.Verify(ctx, name, store.VerifyOptions{All: cmd.Bool("all"), Repair: cmd.Bool("repair"), Progress: p.report})
	p.finish()
	if err != nil {
		return err
	}
	out := cmd.Root().Writer
	if cmd.String("format") == "json" {
		err = cmdline.WriteJSON(out, v, "  ")
	} else {
		rows := [][]string{}
		for _, b := range v.Problems {
			state := "damaged"
			if b.Removed {
				state = "damaged, removed"
			}
			rows = append(rows, []string{state, b.Image, string(b.Digest), b.Reason})
		}
		if err = cmdline.WriteTable(out, rows); err == nil {
			_, err = fmt.Fprintf(out, "%d blobs, %s: %d problems\n", v.Blobs, size(v.Size), len(v.Problems))
		}
	}
	if err == nil && len(v.Problems) > 0 {
		return cmdline.ExitStatus(cmdline.ExitFailure)
	}
	return err
}
