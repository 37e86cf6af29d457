package main

// runcell wait.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

// exitTimeout is the exit code of a wait that was given up, as that of timeout(1).
const exitTimeout = 124

func checkTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%v is no time to wait; give more than 0, such as 5s, or leave the flag out", d)
	}
	return nil
}

func (a *app) waitCommand() *cli.Command {
	return &cli.Command{
		Name:        "wait",
		Usage:       "wait until a container's program ends",
		ArgsUsage:   "ID",
		Description: `Prints the program's exit status (128+n when signal n ended it) and ends with it.`,
		Flags: []cli.Flag{
			&cmdline.TimeFlag{Name: "timeout", Usage: "give up after `TIME`, such as 5s, with the exit status 124", Validator: checkTimeout},
		},
		Action: a.onContainer(func(ctx context.Context, cmd *cli.Command, e engine, id string) error {
			if limit := cmd.Duration("timeout"); limit > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, limit)
				defer stop()
			}
			status, err := e.Wait(ctx, id)
			if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return cmdline.WithCode(fmt.Errorf("wait for %q: it has not ended within %v", id, cmd.Duration("timeout")), exitTimeout)
			}
			if err == nil {
				_, err = fmt.Fprintln(a.Stdout, status)
			}
			return asStatus(status, err)
		}),
	}
}
