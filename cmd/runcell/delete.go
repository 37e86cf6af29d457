package main

// runcell delete.

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) deleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "remove a container that has ended or was never started",
		ArgsUsage: "ID",
		Description: `Removes the cell, its mounts and its state. The bundle stays as it is, unless
--image made it. A running container is left alone unless --force is given.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill the container first if it runs; a missing container is no error"},
		},
		Action: a.onContainer(func(ctx context.Context, cmd *cli.Command, e engine, id string) error {
			if err := e.Delete(ctx, id, cmd.Bool("force")); err != nil {
				return err
			}
			return a.releaseImage(ctx, cmd, id)
		}),
	}
}
