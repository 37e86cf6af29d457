// runcell ps.
package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/urfave/cli/v3"
)

func (a *app) psCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:      "ps",
		Usage:     "list a container's processes by the host's numbers",
		ArgsUsage: "ID",
		Description: `"ps -p" with these numbers shows more of each. Arguments after ID, which other
runtimes hand to ps(1), are accepted and do nothing: runcell runs no other program.`,
		Flags:         []cli.Flag{formatFlag("table", "json")},
		StopOnNthArg:  &one, // what follows is for another program
		ShellComplete: a.completeIDs,
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() == 0 {
				return errors.New("ps needs a container ID; usage: runcell ps ID")
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			pids, err := e.Processes(cmd.Args().First())
			if err != nil {
				return err
			}
			if cmd.String("format") == "json" {
				return writeJSON(a.Stdout, append([]int{}, pids...), "")
			}
			lines := []string{"PID"}
			for _, pid := range pids {
				lines = append(lines, strconv.Itoa(pid))
			}
			return writeLines(a.Stdout, lines)
		}),
	}
}
