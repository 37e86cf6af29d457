package main

// runcell kill.

import (
	"context"
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) killCommand() *cli.Command {
	return &cli.Command{
		Name:      "kill",
		Usage:     "send a signal to a container",
		ArgsUsage: "ID [SIGNAL]",
		Description: `SIGNAL is a number or a name, with or without SIG: 9, KILL, SIGKILL. Without one
it is SIGTERM, which asks a program to end; SIGKILL forces it.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "send it to every process of the container, not only the first"},
		},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			args := cmd.Args().Slice()
			if len(args) == 1 {
				args = append(args, "SIGTERM")
			}
			if len(args) != 2 {
				return fmt.Errorf("kill needs a container ID and at most one signal, got %d arguments; usage: runcell kill ID [SIGNAL]", len(args))
			}
			sig, err := runtime.ParseSignal(args[1])
			if name, ok := strings.CutPrefix(args[0], "-"); ok && err != nil {
				return fmt.Errorf("%w; the container comes first: runcell kill %s %s", err, args[1], name)
			}
			if err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			return e.Kill(args[0], sig, cmd.Bool("all"))
		}),
	}
}
