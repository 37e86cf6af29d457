package main

// runcell recover.

import (
	"context"
	"errors"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

func (a *app) recoverCommand() *cli.Command {
	return &cli.Command{
		Name:  "recover",
		Usage: "remove what a crash or a reboot left",
		Description: `Containers that were never finished because their "create" was killed, those whose
cell went with a reboot, and cells without a container: their processes are ended,
their mounts and files removed. Containers that work are left alone, and so are
stopped ones that wait for "delete". Prints a line for each thing removed.`,
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			done, err := e.Recover(ctx)
			return errors.Join(err, cmdline.WriteLines(a.Stdout, done))
		}),
	}
}
