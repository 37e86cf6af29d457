package main

// runcell explain.

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

func (a *app) explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "show what a bundle's configuration means for its cell",
		ArgsUsage: "BUNDLE",
		Description: `Shows the cell, what it may do and which line of config.json grants it, and every
setting that is carried out only nearly or not at all. Changes nothing. Ends with 1 when
"runcell create" would refuse the bundle.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON instead of tables"},
		},
		Action: a.action(a.explain),
	}
}

func (a *app) explain(_ context.Context, cmd *cli.Command) error {
	bundle, err := onlyArgument(cmd, "a bundle")
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
	config, err := oci.LoadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return err
	}
	plan, refusal := oci.Compile(config, features)
	if plan == nil {
		return refusal
	}
	if cmd.Bool("json") {
		err = cmdline.WriteJSON(a.Stdout, oci.Explain(plan, features), "  ")
	} else {
		colour := cmdline.IsTerminal(a.Stdout) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
		err = oci.WriteExplanation(a.Stdout, plan, features, colour)
	}
	switch {
	case err != nil:
		return fmt.Errorf("print explanation: %w", err)
	case refusal == nil && cmd.Root().Bool("strict"):
		return plan.Strict()
	}
	return refusal
}
