// runcell list.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/netbsd-cells/runcell/runtime"
)

func (a *app) listCommand() *cli.Command {
	return &cli.Command{
		Name:    "list",
		Aliases: []string{"ls"},
		Usage:   "list the containers",
		Flags: []cli.Flag{
			formatFlag("table", "json"),
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
			states, err := e.List()
			if err != nil {
				return err
			}
			switch {
			case cmd.Bool("quiet"):
				return printIDs(a.stdout, states)
			case cmd.String("format") == "json":
				return printStates(a.stdout, states)
			}
			return printTable(a.stdout, states)
		}),
	}
}

func printIDs(w io.Writer, states []*runtime.State) error {
	for _, s := range states {
		if _, err := fmt.Fprintln(w, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// printStates prints an array, [] when there is none: callers index it.
func printStates(w io.Writer, states []*runtime.State) error {
	if states == nil {
		states = []*runtime.State{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(states)
}

func printTable(w io.Writer, states []*runtime.State) error {
	t := tabwriter.NewWriter(w, 12, 1, 3, ' ', 0)
	fmt.Fprint(t, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range states {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n",
			s.ID, s.Pid, s.Status, oneLine(s.Bundle), s.Created.Format(time.RFC3339Nano), oneLine(s.Owner))
	}
	return t.Flush()
}

func noArguments(cmd *cli.Command) error {
	if n := cmd.Args().Len(); n != 0 {
		return fmt.Errorf("%s takes no arguments, got %d", cmd.Name, n)
	}
	return nil
}
