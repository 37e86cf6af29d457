package main

// runcell ps.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/urfave/cli/v3"
)

func (a *app) psCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:      "ps",
		Usage:     "list a container's processes by the host's numbers",
		ArgsUsage: "ID",
		Description: `The table has for each process its parent, effective user, CPU time with that of
its ended children, resident memory, and name. Arguments after ID, which other runtimes
hand to ps(1), are accepted and do nothing: runcell runs no other program.`,
		Flags:        []cli.Flag{cmdline.FormatFlag("table", "json")},
		StopOnNthArg: &one, // what follows is for another program
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() == 0 {
				return errors.New("ps needs a container ID; usage: runcell ps ID")
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			id := cmd.Args().First()
			if cmd.String("format") == "json" {
				pids, err := e.Processes(id)
				if err != nil {
					return err
				}
				return cmdline.WriteJSON(a.Stdout, append([]int{}, pids...), "")
			}
			members, err := e.Members(id)
			if err != nil {
				return err
			}
			return cmdline.WriteTable(a.Stdout, memberTable(members))
		}),
	}
}

func memberTable(members []kmod.Member) [][]string {
	table := [][]string{{"PID", "PPID", "UID", "TIME", "RSS", "COMMAND"}}
	for _, m := range members {
		table = append(table, []string{
			strconv.Itoa(m.Pid), strconv.Itoa(m.Parent), strconv.FormatUint(uint64(m.UID), 10),
			clock(m.CPU.Total), strconv.FormatUint(m.Memory>>10, 10) + "K", m.Command,
		})
	}
	return table
}

// clock writes CPU time as ps(1) does: minutes, seconds and hundredths.
func clock(d time.Duration) string {
	d = d.Round(10 * time.Millisecond)
	return fmt.Sprintf("%d:%05.2f", d/time.Minute, (d % time.Minute).Seconds())
}
