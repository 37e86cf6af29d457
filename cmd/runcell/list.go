package main

// runcell list.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) listCommand() *cli.Command {
	return &cli.Command{
		Name:    "list",
		Aliases: []string{"ls"},
		Usage:   "list the containers",
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the IDs"},
		},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			// One that can't be read does not hide the others.
			states, unread := e.List()
			return errors.Join(a.printList(cmd, states), unread)
		}),
	}
}

func (a *app) printList(cmd *cli.Command, states []*runtime.State) error {
	switch {
	case cmd.Bool("quiet"):
		return cmdline.WriteLines(a.Stdout, ids(states))
	case cmd.String("format") == "json":
		// [] when there is none, never null: callers index it.
		return cmdline.WriteJSON(a.Stdout, append([]*runtime.State{}, states...), "")
	}
	return cmdline.WriteTable(a.Stdout, stateTable(states))
}

func ids(states []*runtime.State) []string {
	var list []string
	for _, s := range states {
		list = append(list, s.ID)
	}
	return list
}

func stateTable(states []*runtime.State) [][]string {
	table := [][]string{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}}
	for _, s := range states {
		table = append(table, []string{
			s.ID, strconv.Itoa(s.Pid), string(s.Status), s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner,
		})
	}
	return table
}

func noArguments(cmd *cli.Command) error {
	if n := cmd.Args().Len(); n != 0 {
		return fmt.Errorf("%s takes no arguments, got %d", cmd.Name, n)
	}
	return nil
}
