package main

// runcell stop.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// stopPatience is how long a program may take to end.
const stopPatience = 10 * time.Second

func (a *app) stopCommand() *cli.Command {
	return &cli.Command{
		Name:      "stop",
		Usage:     "end containers' programs, and delete nothing",
		ArgsUsage: "ID… | --all",
		Description: `Sends the signal that the image names, or SIGTERM, and SIGKILL to what has not ended
in time. Prints a line for each container. Nothing is deleted: that is for "runcell delete".`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "stop all containers"},
			&cmdline.TimeFlag{Name: "time", Aliases: []string{"t"}, Value: stopPatience, Usage: "kill what has not ended after `TIME`; 0 kills at once"},
		},
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			list := cmd.Args().Slice()
			switch {
			case cmd.Bool("all") && len(list) > 0:
				return fmt.Errorf("--all stops all containers: leave out %q, or --all", list[0])
			case !cmd.Bool("all") && len(list) == 0:
				return errors.New("stop needs container IDs or --all; usage: runcell stop ID… | --all")
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			var unread error
			if cmd.Bool("all") {
				// One that can't be read hides no other.
				var states []*runtime.State
				states, unread = e.List()
				list = ids(states)
			}
			return a.interruptible(ctx, func(ctx context.Context) error {
				return errors.Join(unread, a.stop(ctx, e, list, cmd.Duration("time")))
			})
		}),
	}
}

// stop stops them all at the same time: together they take no longer than one.
func (a *app) stop(ctx context.Context, e engine, list []string, patience time.Duration) error {
	slices.Sort(list)
	list = slices.Compact(list)
	errs := make([]error, len(list))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, id := range list {
		wg.Go(func() {
			how, err := e.Stop(ctx, id, runtime.StopOptions{Patience: patience, Waiting: func(sig string) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(a.Stderr, "runcell: wait until %s has ended %s, %v at most, then SIGKILL\n", sig, id, patience)
			}})
			mu.Lock()
			defer mu.Unlock()
			if errs[i] = err; err == nil {
				_, errs[i] = fmt.Fprintf(a.Stdout, "%s: %s\n", id, how)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
