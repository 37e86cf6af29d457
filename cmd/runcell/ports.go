package main

// runcell ports: who has which port, by what runs.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) portsCommand() *cli.Command {
	return &cli.Command{
		Name:      "ports",
		Usage:     "list who reserves, holds or waits on which port and address",
		ArgsUsage: "[PORT]",
		Description: `The kernel is asked, not config.json. "reserved": no other cell can bind the port, "own":
the address is one of the cell's own, for the host one that no cell can bind, and "waits": a process
of the cell waits there for connections or datagrams. What programs of the host wait on, sockstat(1)
tells. With PORT it is about that one, and an error if nobody has it.`,
		Flags:  []cli.Flag{cmdline.FormatFlag("table", "json")},
		Action: a.action(a.ports),
	}
}

// The ways to have a port or an address.
const (
	reserved = "reserved"
	own      = "own"
	waits    = "waits"
)

// portRow is a port or an address and who has it.
type portRow struct {
	named
	Host    bool   `json:"host,omitempty"` // and no cell
	How     string `json:"how"`
	Port    uint16 `json:"port,omitempty"`    // 0: the address itself
	Proto   string `json:"proto,omitempty"`   // empty: tcp and udp
	Address string `json:"address,omitempty"` // empty: every one
	Pid     int    `json:"pid,omitempty"`     // of who waits
	label   string
}

func (a *app) ports(ctx context.Context, cmd *cli.Command) error {
	port, err := portArgument(cmd)
	if err != nil {
		return err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	list, err := collectPorts(ctx, e)
	if list == nil && err != nil {
		return err
	}
	if port != 0 {
		list = slices.DeleteFunc(list, func(r portRow) bool { return r.Port != port })
		if len(list) == 0 {
			return errors.Join(fmt.Errorf("no cell has port %d; if it is taken, sockstat(1) shows the host's program", port), err)
		}
	}
	if cmd.String("format") == "json" {
		return errors.Join(cmdline.WriteJSON(a.Stdout, list, ""), err)
	}
	table := [][]string{{"PORT", "ADDRESS", "HOW", "ID", "PID"}}
	for _, r := range list {
		table = append(table, r.cells())
	}
	return errors.Join(cmdline.WriteTable(a.Stdout, table), err)
}

func portArgument(cmd *cli.Command) (uint16, error) {
	if cmd.Args().Len() == 0 {
		return 0, nil
	}
	arg, err := onlyArgument(cmd, "one port or none")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(arg, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q is no number from 1 to 65535", arg)
	}
	return uint16(n), nil
}

// collectPorts asks about the host and every cell.
func collectPorts(ctx context.Context, e engine) ([]portRow, error) {
	cells, err := cellsOf(e, "", true)
	if err != nil {
		return nil, err
	}
	list := []portRow{}
	host, err := e.CellClaims(runtime.Cell{})
	switch {
	case err == nil:
		list = claimRows(list, portRow{Host: true, label: "(host)"}, host)
	case !errors.Is(err, kmod.ErrUnsupported) && !errors.Is(err, kmod.ErrUnavailable):
		return nil, err
	}
	err = eachCell(cells, func(c runtime.Cell) error {
		whose := portRow{named: nameOf(c), label: cellLabel(c)}
		claims, err := e.CellClaims(c)
		if errors.Is(err, kmod.ErrUnsupported) {
			log.G(ctx).Warnf("%s: %v", cellLabel(c), err)
		} else if err != nil {
			return err
		}
		list = claimRows(list, whose, claims)
		sockets, err := e.CellSockets(c.ID)
		for _, s := range sockets {
			r := whose
			r.How, r.Port, r.Proto, r.Pid = waits, s.Local.Port(), s.Proto, s.Pid
			if !s.Local.Addr().IsUnspecified() {
				r.Address = s.Local.Addr().String()
			}
			list = append(list, r)
		}
		return err
	})
	slices.SortStableFunc(list, func(a, b portRow) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address), cmp.Compare(a.label, b.label), cmp.Compare(a.How, b.How))
	})
	return slices.Compact(list), err // 0.0.0.0 and [::] are both every address
}

func claimRows(list []portRow, whose portRow, c kmod.Claims) []portRow {
	for _, p := range c.Ports {
		r := whose
		r.How, r.Port, r.Proto = reserved, p.Port, p.Proto
		if p.Addr.IsValid() {
			r.Address = p.Addr.String()
		}
		list = append(list, r)
	}
	for _, addr := range c.Addresses {
		r := whose
		r.How, r.Address = own, addr.String()
		list = append(list, r)
	}
	return list
}

func (r *portRow) cells() []string {
	port, address, pid := "-", "*", "-"
	if r.Port != 0 {
		port = strconv.Itoa(int(r.Port))
		if r.Proto != "" {
			port += "/" + r.Proto
		}
	}
	if r.Address != "" {
		address = r.Address
	}
	if r.Pid != 0 {
		pid = strconv.Itoa(r.Pid)
	}
	return []string{port, address, r.How, r.label, pid}
}
