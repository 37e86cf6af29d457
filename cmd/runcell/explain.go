package main

// runcell explain.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "show what a bundle's configuration means for its cell",
		ArgsUsage: "BUNDLE|ID",
		Description: `Shows the cell, what it may do and which line of config.json grants it, and every
setting that is carried out only nearly or not at all. Changes nothing. Ends with 1 when
"runcell create" would refuse the bundle. With the ID of a container it is what that runs by; a
directory with a config.json goes before an ID of the same name.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "json", Usage: "the same as --format json"},
		},
		Action: a.action(a.explain),
	}
}

func (a *app) explain(_ context.Context, cmd *cli.Command) error {
	bundle, err := onlyArgument(cmd, "a bundle or a container ID")
	if err != nil {
		return err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	features, err := e.Features()
	if err != nil {
		return err
	}
	plan, refusal, err := planOf(e, bundle, features)
	if err != nil {
		return err
	}
	if plan == nil {
		return refusal
	}
	if cmd.Bool("json") || cmd.String("format") == "json" {
		err = cmdline.WriteJSON(a.Stdout, oci.Explain(plan, features), "  ")
	} else {
		err = oci.WriteExplanation(a.Stdout, plan, features, a.colour())
	}
	switch {
	case err != nil:
		return fmt.Errorf("print explanation: %w", err)
	case refusal == nil && cmd.Root().Bool("strict"):
		return plan.Strict()
	}
	return refusal
}

// planOf compiles a bundle, or reads what a container runs by.
func planOf(e engine, name string, f kmod.Features) (plan *oci.Plan, refusal, err error) {
	config, err := oci.LoadFile(filepath.Join(name, "config.json"))
	if errors.Is(err, fs.ErrNotExist) && runtime.ValidateID(name) == nil {
		switch plan, perr := e.Plan(name); {
		case perr == nil:
			return plan, nil, nil
		case errors.Is(perr, runtime.ErrNotExist):
			return nil, nil, fmt.Errorf("%w; and there is no container %q", err, name)
		default:
			return nil, nil, perr
		}
	}
	if err != nil {
		return nil, nil, err
	}
	plan, refusal = oci.Compile(config, f)
	return plan, refusal, nil
}

// colour tells whether text may have colours.
func (a *app) colour() bool {
	return cmdline.IsTerminal(a.Stdout) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}
