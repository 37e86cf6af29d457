package main

// What is said of a container beside its image, put into its config.json.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/settings"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

// settingFlags makes flags of the table.
func settingFlags() []cli.Flag {
	var flags []cli.Flag
	for _, t := range settings.Table {
		var short []string
		if t.Short != "" {
			short = []string{t.Short}
		}
		usage := "with --image, " + t.Usage
		switch {
		case t.Alone:
			flags = append(flags, &cli.BoolFlag{Name: t.Name, Aliases: short, Usage: usage})
		case t.Many:
			flags = append(flags, &cli.StringSliceFlag{Name: t.Name, Aliases: short, Usage: usage + " (may be repeated)"})
		default:
			flags = append(flags, &cli.StringFlag{Name: t.Name, Aliases: short, Usage: usage})
		}
	}
	return append(flags, interactiveFlag())
}

// settingsOf reads these flags, and the command behind the ID.
func (a *app) settingsOf(cmd *cli.Command) (*settings.Settings, error) {
	s := &settings.Settings{Command: cmd.Args().Tail()}
	if len(s.Command) == 0 {
		s.Command = nil
	}
	for _, t := range settings.Table {
		if !cmd.IsSet(t.Name) {
			continue
		}
		for _, v := range a.said(cmd, t) {
			if err := t.Set(s, v); err != nil {
				return nil, fmt.Errorf("--%w", err)
			}
		}
	}
	return s, nil
}

// said gives a flag's values. A variable without a value has ours, if we have one.
func (a *app) said(cmd *cli.Command, t settings.Setting) (values []string) {
	switch {
	case t.Alone && !cmd.Bool(t.Name):
		return nil
	case t.Alone:
		return []string{""}
	case !t.Many:
		return []string{cmd.String(t.Name)}
	}
	for _, v := range cmd.StringSlice(t.Name) {
		if t.Name == "env" && v != "" && !strings.Contains(v, "=") {
			own := a.getenv(v)
			if own == "" {
				continue
			}
			v += "=" + own
		}
		values = append(values, v)
	}
	return values
}

// made is what decides something of a bundle's image.json; the rest of it is only
// shown, see origin.
type made struct {
	Manifest   string `json:"manifest"`
	Entrypoint int    `json:"entrypoint"`
}

// readMade: a bundle of no image has none.
func readMade(bundle string) (o made, err error) {
	b, err := readSmall(filepath.Join(bundle, originName))
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		return o, fmt.Errorf("read what the bundle was made of: %w", err)
	}
	return o, nil
}

// adjust puts what was said into the configuration of the bundle from, as to's,
// and makes the data directories that it names.
func (a *app) adjust(from, to string, s *settings.Settings) error {
	cfg, err := a.adjusted(from, s)
	if err != nil {
		return err
	}
	if err := replaceJSON(filepath.Join(to, "config.json"), cfg); err != nil {
		return err
	}
	return a.makeData(cfg, s)
}

// adjusted is the configuration as it is to be.
func (a *app) adjusted(from string, s *settings.Settings) (*oci.Config, error) {
	cfg, err := oci.LoadFile(filepath.Join(from, "config.json"))
	if err != nil {
		return nil, err
	}
	o, err := readMade(from)
	if err != nil {
		return nil, err
	}
	return cfg, s.Apply(cfg, settings.Place{Data: a.dataDirs(), Term: a.getenv("TERM"), Entrypoint: o.Entrypoint})
}

func (a *app) dataDirs() string { return filepath.Join(a.dataDir, "data") }

// makeData makes the data directories that are not there, for the program's user.
func (a *app) makeData(cfg *oci.Config, s *settings.Settings) error {
	for _, v := range s.Volumes {
		if v.Name == "" {
			continue
		}
		if err := os.MkdirAll(a.dataDirs(), 0o711); err != nil {
			return fmt.Errorf("make a place for data: %w", err)
		}
		dir := filepath.Join(a.dataDirs(), v.Name)
		if _, err := os.Lstat(dir); err == nil {
			continue
		}
		// One that has its name has its owner, too. Until then it has a name that
		// no data directory can have.
		temp := filepath.Join(a.dataDirs(), "."+v.Name+".new")
		err := os.MkdirAll(temp, 0o700)
		if err == nil {
			u := cfg.Process.User
			err = os.Chown(temp, int(u.UID), int(u.GID))
		}
		if err == nil {
			err = os.Rename(temp, dir)
		}
		if _, there := os.Lstat(dir); err != nil && there != nil { // or another cell's start has made it
			return fmt.Errorf("make the data directory %s: %w", strconv.Quote(v.Name), err)
		}
	}
	return nil
}

// replaceJSON replaces a file by a document.
func replaceJSON(path string, v any) error {
	return cmdline.ReplaceFile(path, 0o600, func(w io.Writer) error { return cmdline.WriteJSON(w, v, "  ") })
}
