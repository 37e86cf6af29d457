package main

// runcell delete.

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"
)

func (a *app) deleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "remove containers that have ended or were never started",
		ArgsUsage: "ID…",
		Description: `Removes the cell, its mounts and its state. The bundle stays as it is, unless
--image made it: then its root directory goes, with what the program wrote there, and a line
says so. A running container is left alone unless --force is given.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill the container first if it runs; a missing container is no error"},
		},
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() == 0 {
				_, err := containerID(cmd)
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			var errs []error
			for _, id := range cmd.Args().Slice() { // one that can't be removed keeps no other
				errs = append(errs, a.delete(ctx, cmd, e, id))
			}
			return errors.Join(errs...)
		}),
	}
}

func (a *app) delete(ctx context.Context, cmd *cli.Command, e engine, id string) error {
	if err := e.Delete(ctx, id, cmd.Bool("force")); err != nil {
		return err
	}
	path, err := a.releaseImage(ctx, cmd, id)
	if err == nil && path != "" {
		_, err = fmt.Fprintf(a.Stdout, "%s: removed %s and what the program wrote there\n", id, path)
	}
	return err
}
