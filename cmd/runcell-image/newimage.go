package main

// What "image pack", "config" and "from-sets" have in common: flags for the image
// that is made.

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v3"
)

// newImageFlags are the flags that newImage reads. defaultCmd is what the program
// is without --cmd, if anything.
func newImageFlags(defaultCmd string) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "compress", Value: string(image.Gzip), Usage: "compress layers with `gzip|zstd|none`"},
	}, programFlags(defaultCmd)...)
}

// programFlags are those of newImageFlags that are not about layers.
func programFlags(defaultCmd string) []cli.Flag {
	if defaultCmd != "" {
		defaultCmd = " (default: " + defaultCmd + ")"
	}
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "entrypoint", Usage: "`ARG` of the program to run, the program first; once for each"},
		&cli.StringSliceFlag{Name: "cmd", Usage: "default `ARG` after the entry point; once for each" + defaultCmd},
		&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set the environment variable `NAME=VALUE`; once for each"},
		&cli.StringFlag{Name: "author", Usage: "`NAME` of who made the image"},
	}
}

// surroundingFlags say what else an image's program is given; see surroundings.
func surroundingFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "workdir", Usage: "start in the directory `DIR`"},
		&cli.StringFlag{Name: "user", Usage: "run as `USER[:GROUP]`, names or numbers"},
		&cli.StringSliceFlag{Name: "expose", Aliases: []string{"port"}, Usage: "the program listens on `PORT[/udp]`; once for each"},
		&cli.StringSliceFlag{Name: "volume", Usage: "the program keeps data in the directory `DIR`; once for each"},
		&cli.StringSliceFlag{Name: "label", Usage: "attach `NAME=VALUE`; once for each"},
		&cli.StringFlag{Name: "stop-signal", Usage: "`SIGNAL` ends the program, such as SIGINT"},
	}
}

// surroundings reads surroundingFlags.
func surroundings(cmd *cli.Command, c *v1.ImageConfig) error {
	c.User, c.WorkingDir, c.StopSignal = cmd.String("user"), cmd.String("workdir"), cmd.String("stop-signal")
	c.ExposedPorts, c.Volumes = asSet(cmd.StringSlice("expose")), asSet(cmd.StringSlice("volume"))
	for _, label := range cmd.StringSlice("label") {
		key, value, found := strings.Cut(label, "=")
		if !found || key == "" {
			return fmt.Errorf("--label %q: want NAME=VALUE", label)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[key] = value
	}
	return nil
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

// imageMade is what a command line says of the image that it makes.
type imageMade struct {
	compression image.Compression
	author      string
	config      v1.ImageConfig
	epoch       *time.Time // of the environment; nil if it has none
}

func newImage(cmd *cli.Command) (n imageMade, err error) {
	n = imageMade{
		compression: image.Compression(cmd.String("compress")), author: cmd.String("author"),
		config: v1.ImageConfig{Env: cmd.StringSlice("env"), Entrypoint: cmd.StringSlice("entrypoint"), Cmd: cmd.StringSlice("cmd")},
	}
	n.epoch, err = parseTime("SOURCE_DATE_EPOCH", os.Getenv("SOURCE_DATE_EPOCH"))
	return n, err
}

// parseTime reads seconds since 1970 or RFC 3339; "" is no time.
func parseTime(what, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no time is no error
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		t := time.Unix(n, 0)
		if year := t.UTC().Year(); year < 0 || year > 9999 { // RFC 3339, which an image's times are in
			return nil, fmt.Errorf("%s %q: it is in the year %d; want seconds since 1970, and none after 9999", what, s, year)
		}
		return &t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, fmt.Errorf("%s %q: want seconds since 1970 or a time such as 2006-01-02T15:04:05Z", what, s)
	}
	return &t, nil
}
