// image pack: a directory becomes an image.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v3"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/reference"
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
environment's SOURCE_DATE_EPOCH limits them. Names of users are not kept, only
their numbers. Sockets and the content of mounted file systems are left out.`,
		Flags: []cli.Flag{
			storeFlag(),
			&cli.StringFlag{Name: "base", Usage: "pack only what differs from `IMAGE`, as a layer on top of it"},
			&cli.StringFlag{Name: "tag", Aliases: []string{"t"}, Usage: "name the image `NAME` in the layout"},
			&cli.StringFlag{Name: "platform", Usage: "the image is for `OS/ARCH[/VARIANT]` (default: this host's)"},
			&cli.StringFlag{Name: "compress", Value: string(image.Gzip), Usage: "compress the layer with `gzip|zstd|none`"},
			&cli.StringFlag{Name: "mtime", Usage: "give every file this modification `TIME` (seconds since 1970, or 2006-01-02T15:04:05Z)"},
			&cli.StringSliceFlag{Name: "entrypoint", Usage: "`ARG` of the program to run, the program first; once for each"},
			&cli.StringSliceFlag{Name: "cmd", Usage: "default `ARG` after the entry point; once for each"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set the environment variable `NAME=VALUE`; once for each"},
			&cli.StringFlag{Name: "workdir", Usage: "start in the directory `DIR`"},
			&cli.StringFlag{Name: "user", Usage: "run as `USER[:GROUP]`, names or numbers"},
			&cli.StringSliceFlag{Name: "expose", Usage: "the program listens on `PORT[/udp]`; once for each"},
			&cli.StringSliceFlag{Name: "volume", Usage: "the program keeps data in the directory `DIR`; once for each"},
			&cli.StringSliceFlag{Name: "label", Usage: "attach `NAME=VALUE`; once for each"},
			&cli.StringFlag{Name: "stop-signal", Usage: "`SIGNAL` ends the program, such as SIGINT"},
			&cli.StringFlag{Name: "author", Usage: "`NAME` of who made the image"},
		},
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
	o.Base = cmd.String("base")
	if o.Store, err = storeDir(cmd); err != nil && (!reference.IsPlace(name) || o.Base != "" && !reference.IsPlace(o.Base)) {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
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

func packOptions(cmd *cli.Command) (pack.Options, error) {
	c := v1.ImageConfig{
		User: cmd.String("user"), WorkingDir: cmd.String("workdir"), StopSignal: cmd.String("stop-signal"),
		Env: cmd.StringSlice("env"), Entrypoint: cmd.StringSlice("entrypoint"), Cmd: cmd.StringSlice("cmd"),
		ExposedPorts: asSet(cmd.StringSlice("expose")), Volumes: asSet(cmd.StringSlice("volume")),
	}
	o := pack.Options{
		Compression: image.Compression(cmd.String("compress")), Tag: cmd.String("tag"), Author: cmd.String("author"),
	}
	var err error
	if o.Platform, err = manifest.ParsePlatform(cmd.String("platform")); err != nil {
		return o, err
	}
	for _, label := range cmd.StringSlice("label") {
		key, value, found := strings.Cut(label, "=")
		if !found || key == "" {
			return o, fmt.Errorf("--label %q: want NAME=VALUE", label)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[key] = value
	}
	if o.MTime, err = parseTime("--mtime", cmd.String("mtime")); err != nil {
		return o, err
	}
	if o.Epoch, err = parseTime("SOURCE_DATE_EPOCH", os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return o, err
	}
	o.Config = c
	return o, nil
}

func asSet(list []string) map[string]struct{} {
	if len(list) == 0 {
		return nil
	}
	set := map[string]struct{}{}
	for _, s := range list {
		set[s] = struct{}{}
	}
	return set
}

// parseTime reads seconds since 1970 or RFC 3339; "" is no time.
func parseTime(what, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no time is no error
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		t := time.Unix(n, 0)
		return &t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, fmt.Errorf("%s %q: want seconds since 1970 or a time such as 2006-01-02T15:04:05Z", what, s)
	}
	return &t, nil
}
