// runcell state.
package main

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) stateCommand() *cli.Command {
	return &cli.Command{
		Name:          "state",
		Usage:         "print a container's state as JSON",
		ArgsUsage:     "ID",
		ShellComplete: a.completeIDs,
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			id, err := containerID(cmd)
			if err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			s, err := e.State(id)
			if err != nil {
				return err
			}
			return writeJSON(a.Stdout, s, "  ")
		}),
	}
}
