package main

// runcell pause and resume.

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) pauseCommand() *cli.Command {
	return a.freezerCommand("pause", "stop all processes of a container",
		`They stand still until "runcell resume"; only "kill KILL" and "delete --force"
end them before that.`, engine.Pause)
}

func (a *app) resumeCommand() *cli.Command {
	return a.freezerCommand("resume", "let the processes of a paused container go on", "", engine.Resume)
}

func (a *app) freezerCommand(name, usage, description string, do func(e engine, id string) error) *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       usage,
		ArgsUsage:   "ID",
		Description: description,
		Action: a.onContainer(func(_ context.Context, _ *cli.Command, e engine, id string) error {
			return do(e, id)
		}),
	}
}
