package main

// runcell delete.

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

func (a *app) deleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "remove a container that has ended or was never started",
		ArgsUsage: "ID",
		Description: `Removes the cell, its mounts and its state. The bundle stays as it is, unless
--image made it: then its root directory goes, with what the program wrote there, and a line
says so. A running container is left alone unless --force is given.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill the container first if it runs; a missing container is no error"},
		},
		Action: a.onContainer(func(ctx context.Context, cmd *cli.Command, e engine, id string) error {
			if err := e.Delete(ctx, id, cmd.Bool("force")); err != nil {
				return err
			}
			path, err := a.releaseImage(ctx, cmd, id)
			if err == nil && path != "" {
				_, err = fmt.Fprintf(a.Stdout, "%s: removed %s and what the program wrote there\n", id, path)
			}
			return err
		}),
	}
}
