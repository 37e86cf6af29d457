// runcell wait.
package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

func (a *app) waitCommand() *cli.Command {
	return &cli.Command{
		Name:          "wait",
		Usage:         "wait until a container's program ends",
		ArgsUsage:     "ID",
		Description:   `Prints the program's exit status (128+n when signal n ended it) and ends with it.`,
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
			status, err := e.Wait(ctx, id)
			if err == nil {
				_, err = fmt.Fprintln(a.Stdout, status)
			}
			return asStatus(status, err)
		}),
	}
}
