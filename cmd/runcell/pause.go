// runcell pause and resume.
package main

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) pauseCommand() *cli.Command {
	return a.onContainer("pause", "stop all processes of a container",
		`They stand still until "runcell resume"; only "kill KILL" and "delete --force"
end them before that.`, engine.Pause)
}

func (a *app) resumeCommand() *cli.Command {
	return a.onContainer("resume", "let the processes of a paused container go on", "", engine.Resume)
}

// onContainer is a command that takes an ID, does one thing and prints nothing.
func (a *app) onContainer(name, usage, description string, do func(e engine, id string) error) *cli.Command {
	return &cli.Command{
		Name:          name,
		Usage:         usage,
		ArgsUsage:     "ID",
		Description:   description,
		ShellComplete: a.completeIDs,
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			id, err := containerID(cmd)
			if err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			return do(e, id)
		}),
	}
}
