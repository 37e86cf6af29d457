package main

// runcell wait.

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

func (a *app) waitCommand() *cli.Command {
	return &cli.Command{
		Name:        "wait",
		Usage:       "wait until a container's program ends",
		ArgsUsage:   "ID",
		Description: `Prints the program's exit status (128+n when signal n ended it) and ends with it.`,
		Action: a.onContainer(func(ctx context.Context, _ *cli.Command, e engine, id string) error {
			status, err := e.Wait(ctx, id)
			if err == nil {
				_, err = fmt.Fprintln(a.Stdout, status)
			}
			return asStatus(status, err)
		}),
	}
}
