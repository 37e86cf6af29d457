package main

// runcell checkpoint and restore: other runtimes have them, and callers should
// learn that cells don't.

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"
)

func (a *app) checkpointCommand() *cli.Command { return a.lackingCommand("checkpoint") }

func (a *app) restoreCommand() *cli.Command { return a.lackingCommand("restore") }

// errCheckpoint is what both say.
var errCheckpoint = errors.New("cells have no checkpoints: NetBSD can not save the state of running processes to disk")

func (a *app) lackingCommand(name string) *cli.Command {
	return &cli.Command{
		Name:            name,
		Usage:           "refused: cells have no checkpoints",
		Hidden:          true,
		SkipFlagParsing: true, // whatever the flags ask for, the answer is the same
		Action:          a.action(func(context.Context, *cli.Command) error { return errCheckpoint }),
	}
}
