// runcell start.
package main

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) startCommand() *cli.Command {
	return &cli.Command{
		Name:          "start",
		Usage:         "start the program of a created container",
		ArgsUsage:     "ID",
		ShellComplete: a.completeIDs,
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			id, err := containerID(cmd)
			if err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			return e.Start(ctx, id)
		}),
	}
}
