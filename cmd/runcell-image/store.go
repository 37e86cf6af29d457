package main

// What the commands on the store share.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/netbsd-cells/runcell/image/store"
	"github.com/urfave/cli/v3"
)

func storeFlag() cli.Flag {
	usage := "keep images in `DIR`"
	if dir, err := store.DefaultPath(); err == nil {
		usage += " (default: " + dir + ")"
	}
	return &cli.StringFlag{Name: "store", Usage: usage}
}

func platformFlag() cli.Flag {
	return &cli.StringFlag{Name: "platform", Usage: "take the image for `OS/ARCH[/VARIANT]` (default: this host's)"}
}

// storeDir is the directory of the store.
func storeDir(cmd *cli.Command) (string, error) {
	if cmd.IsSet("store") {
		if cmd.String("store") == "" {
			return "", errors.New("--store is empty: give a directory, or leave the flag out")
		}
		return cmd.String("store"), nil
	}
	return store.DefaultPath()
}

// withStore runs f on the store. A command that only reads does not make one:
// f gets nil if there is none and missing allows it.
func withStore(ctx context.Context, cmd *cli.Command, create, missing bool, f func(context.Context, *store.Store) error) error {
	dir, err := storeDir(cmd)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, dir, create)
	if errors.Is(err, fs.ErrNotExist) && !create {
		if missing {
			return f(ctx, nil)
		}
		return fmt.Errorf("%w: there are no images yet: \"runcell image pull\" and \"import\" get some", err)
	}
	if err != nil {
		return err
	}
	return joinClose(f(ctx, s), s)
}

// arguments demands between least and most arguments.
func arguments(cmd *cli.Command, least, most int) ([]string, error) {
	n := cmd.Args().Len()
	if n >= least && n <= most {
		return cmd.Args().Slice(), nil
	}
	want := fmt.Sprintf("%d to %d arguments", least, most)
	switch {
	case most == 0:
		want = "no arguments"
	case least == most && most == 1:
		want = "one argument"
	case least == most:
		want = fmt.Sprintf("%d arguments", most)
	}
	return nil, fmt.Errorf("%s takes %s, got %d; usage: %s [flags] %s", strings.TrimPrefix(cmd.FullName(), "runcell "), want, n, cmd.FullName(), cmd.ArgsUsage)
}

// size prints bytes for people.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// joinClose closes c and keeps both errors.
func joinClose(err error, c io.Closer) error { return errors.Join(err, c.Close()) }
