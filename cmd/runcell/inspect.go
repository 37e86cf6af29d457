package main

// runcell inspect.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "tell all that is known about a container",
		ArgsUsage: "ID",
		Description: `Tells its state, age, exit status, restarts, image, cell, ports and the plan that it runs by: what
became of config.json when it was created, whatever that file says now. The table is for people.`,
		Flags:  []cli.Flag{cmdline.FormatFlag("json", "table")},
		Action: a.onContainer(a.inspect),
	}
}

// inspected is all that is known about a container.
type inspected struct {
	*runtime.State
	Age        float64          `json:"ageSeconds"`
	Restarts   int              `json:"restarts"`             // by the runcell that keeps it going
	ExitStatus *int             `json:"exitStatus,omitempty"` // of a stopped one, if it is known
	Image      *origin          `json:"image,omitempty"`
	Cell       *inspectedCell   `json:"cell,omitempty"` // absent after a reboot
	Plan       *oci.Explanation `json:"plan"`
}

type inspectedCell struct {
	ID        uint32   `json:"id"`
	Name      string   `json:"name"`
	Root      string   `json:"root"`
	Processes uint64   `json:"processes"`
	Network   string   `json:"network,omitempty"`
	Ports     []string `json:"ports"`     // reserved
	Addresses []string `json:"addresses"` // its own
}

func (a *app) inspect(ctx context.Context, cmd *cli.Command, e engine, id string) error {
	state, err := e.State(id)
	if err != nil {
		return err
	}
	plan, err := e.Plan(id)
	if err != nil {
		return err
	}
	features, err := e.Features()
	if err != nil {
		return err
	}
	i := inspected{State: state, Age: max(0, a.now().Sub(state.Created).Seconds()), Restarts: state.Restarts, Plan: oci.Explain(plan, features)}
	if o := originOf(state.Bundle); o != (origin{}) {
		i.Image = &o
	}
	if state.Status == runtime.Stopped {
		status, known, err := e.ExitStatus(ctx, id)
		if err != nil {
			return err
		}
		if known {
			i.ExitStatus = &status
		}
	}
	if i.Cell, err = inspectCell(e, id); err != nil {
		return err
	}
	if cmdline.FormatAsked(cmd) == "json" {
		return cmdline.WriteJSON(a.Stdout, i, "  ")
	}
	return errors.Join(i.write(a), oci.WriteExplanation(a.Stdout, plan, features, a.colour()))
}

func inspectCell(e engine, id string) (*inspectedCell, error) {
	cells, err := e.Cells()
	if err != nil {
		return nil, err
	}
	for _, c := range cells {
		if c.Container != id {
			continue
		}
		claims, err := e.CellClaims(c)
		if gone(err) != nil {
			return nil, err
		}
		i := &inspectedCell{
			ID: uint32(c.ID), Name: c.Name, Root: c.Root, Processes: c.Processes, Network: string(claims.Network),
			Ports: append([]string{}, portNames(claims.Ports)...), Addresses: []string{},
		}
		for _, addr := range claims.Addresses {
			i.Addresses = append(i.Addresses, addr.String())
		}
		return i, nil
	}
	return nil, nil
}

// write prints what is not in the plan.
func (i *inspected) write(a *app) error {
	status := string(i.Status)
	if i.ExitStatus != nil {
		status = fmt.Sprintf("%s, exit status %d", i.Status, *i.ExitStatus)
	}
	rows := [][]string{{"Container", i.ID}, {"Status", status}}
	if i.Restarts > 0 {
		rows = append(rows, []string{"Restarts", fmt.Sprint(i.Restarts)})
	}
	if i.Pid != 0 {
		rows = append(rows, []string{"Process", fmt.Sprint(i.Pid)})
	}
	rows = append(rows, []string{"Created", i.Created.Format(time.RFC3339) + ", " + cmdline.Age(time.Duration(i.Age*float64(time.Second))) + " ago, by " + i.Owner},
		[]string{"Bundle", i.Bundle})
	if i.Image != nil {
		rows = append(rows, []string{"Image", i.Image.Image + " " + i.Image.Manifest})
	}
	if c := i.Cell; c != nil {
		rows = append(rows, []string{"Cell", fmt.Sprintf("%d, %s, %s", c.ID, c.Name, plural(c.Processes, "process"))},
			[]string{"Network", strings.Join(append([]string{c.Network}, c.Addresses...), " ")},
			[]string{"Reserved ports", strings.Join(c.Ports, " ")})
	}
	if err := cmdline.WriteTable(a.Stdout, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.Stdout)
	return err
}
