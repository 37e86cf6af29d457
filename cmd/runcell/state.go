package main

// runcell state.

import (
	"context"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

func (a *app) stateCommand() *cli.Command {
	return &cli.Command{
		Name:      "state",
		Usage:     "print a container's state as JSON",
		ArgsUsage: "ID",
		Flags:     []cli.Flag{cmdline.FormatFlag("json")},
		Action: a.onContainer(func(_ context.Context, _ *cli.Command, e engine, id string) error {
			s, err := e.State(id)
			if err != nil {
				return err
			}
			return cmdline.WriteJSON(a.Stdout, s, "  ")
		}),
	}
}
