package main

// runcell start.

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start the program of a created container",
		ArgsUsage: "ID",
		Action: a.onContainer(func(ctx context.Context, _ *cli.Command, e engine, id string) error {
			return a.interruptible(ctx, func(ctx context.Context) error { return e.Start(ctx, id) })
		}),
	}
}
