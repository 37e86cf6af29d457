package main

// runcell create.

import (
	"context"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) createCommand() *cli.Command {
	image := imageFlags()
	return &cli.Command{
		Name:      "create",
		Usage:     "prepare a container without starting its program",
		ArgsUsage: "ID [-- COMMAND [ARGUMENT…]]",

		UseShortOptionHandling: true, // -it
		Description: `Makes the cell, its root file system and its first process, which then waits.
"runcell start ID" lets it run the program named in config.json.`,
		Flags: append(append(containerFlags(), image...),
			inertBool("detach", "create never waits for the container"),
			inertBool("no-subreaper", "runcell is never a subreaper")),
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			o, err := a.createOptions(cmd)
			if err != nil {
				return err
			}
			return a.interruptible(ctx, func(ctx context.Context) error {
				return a.withImage(ctx, cmd, image, &o, func() (bool, error) {
					if done, err := a.rootless(cmd, 0); done {
						return true, err
					}
					e, err := a.engine(cmd)
					if err != nil {
						return false, err
					}
					err = a.detached(cmd, o.ID, func(s *runtime.Streams) error {
						o.Streams = s
						_, err := e.Create(ctx, o)
						return err
					})
					return err == nil, err
				})
			})
		}),
	}
}
