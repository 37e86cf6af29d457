package main

// runcell run.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) runCommand() *cli.Command {
	image, stay := imageFlags(), superviseFlags()
	return &cli.Command{
		Name:      "run",
		Usage:     "create a container, start it, and wait for its end",
		ArgsUsage: "ID [-- COMMAND [ARGUMENT…]]",

		UseShortOptionHandling: true, // -it
		Description: `Ends with the exit status of the container's program (128+n when signal n ended
it) and removes the container. With --detach it returns once the program runs, and says so
if that ends at once.`,
		Flags: append(slices.Concat(containerFlags(), image, stay),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return once the program runs"},
			&cli.BoolFlag{Name: "keep", Usage: "keep the container after its end, until \"runcell delete\""},
			inertBool("no-subreaper", "runcell is never a subreaper")),
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			o, err := a.createOptions(cmd)
			if err != nil {
				return err
			}
			o.Detach, o.Keep = cmd.Bool("detach"), cmd.Bool("keep")
			s, err := a.supervision(cmd, stay, o.ID)
			if err != nil {
				return err
			}
			lock, err := lockFile(cmd.String("lock-file"))
			if err != nil {
				return err
			}
			defer lock.unlock()
			if s != nil {
				s.lock = lock
			}
			return a.caught(ctx, func(ctx context.Context, signals *runtime.Signals) error {
				o.Signals = signals
				return a.withImage(ctx, cmd, image, &o, func() (bool, error) { return a.run(ctx, cmd, o, s) })
			})
		}),
	}
}

// run tells whether the container is still there.
func (a *app) run(ctx context.Context, cmd *cli.Command, o runtime.CreateOptions, s *supervision) (kept bool, err error) {
	if done, err := a.rootless(cmd, 0); done {
		return true, err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return false, err
	}
	if o.Detach {
		o.AtOnce = func(status int) {
			fmt.Fprintf(a.Stderr, "runcell: the program of %s has ended at once, with exit status %d; \"runcell delete %s\" removes the container\n", o.ID, status, o.ID)
		}
		err := a.detached(cmd, o.ID, func(s *runtime.Streams) error {
			o.Streams = s
			_, err := e.Run(ctx, o)
			return err
		})
		return err == nil, err
	}
	a.Journal.Flush() // who waits for hours wants to read it now
	if s != nil {
		return a.superviseRun(ctx, e, o, s)
	}
	status, err := e.Run(ctx, o)
	return err == nil && o.Keep, asStatus(status, err)
}
