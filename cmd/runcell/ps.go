package main

// runcell ps.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) psCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:      "ps",
		Usage:     "list a container's processes by the host's numbers, or tell whose a process is",
		ArgsUsage: "ID | --all | --pid N",
		Description: `The table has for each process its parent, effective user, CPU time with that of
its ended children, resident memory, and name. Arguments after ID, which other runtimes
hand to ps(1), are accepted and do nothing: runcell runs no other program.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "list the processes of all cells"},
			&cli.IntFlag{Name: "pid", Usage: "tell which cell has the process `N` of the host"},
		},
		StopOnNthArg: &one, // what follows is for another program
		Action:       a.action(a.ps),
	}
}

func (a *app) ps(_ context.Context, cmd *cli.Command) error {
	all, one, pid, id := cmd.Bool("all"), cmd.IsSet("pid"), cmd.Int("pid"), cmd.Args().First()
	switch {
	case all && one, (all || one) == (id != ""):
		return errors.New("ps needs a container ID, --all or --pid N, and only one of them; usage: runcell ps ID")
	case one && (pid < 1 || pid > math.MaxInt32):
		return fmt.Errorf("--pid %d is no process number", pid)
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	json := cmd.String("format") == "json"
	switch {
	case one:
		return a.whose(e, pid, json)
	case all:
		cells, err := cellsOf(e, "", true)
		if err != nil {
			return err
		}
		list, err := membersOf(e, cells)
		return errors.Join(a.printMembers(list, json), err)
	case json:
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
	table := [][]string{memberHead}
	for i := range members {
		table = append(table, memberRow(&members[i]))
	}
	return cmdline.WriteTable(a.Stdout, table)
}

// cellMember is a process and whose it is.
type cellMember struct {
	named
	kmod.Member
	label string
}

func membersOf(e engine, cells []runtime.Cell) ([]cellMember, error) {
	list := []cellMember{}
	err := eachCell(cells, func(c runtime.Cell) error {
		members, err := e.CellMembers(c.ID)
		for _, m := range members {
			list = append(list, cellMember{nameOf(c), m, cellLabel(c)})
		}
		return err
	})
	return list, err
}

// whose prints the one process.
func (a *app) whose(e engine, pid int, json bool) error {
	cells, err := cellsOf(e, "", true)
	if err != nil {
		return err
	}
	for _, c := range cells {
		pids, err := e.CellProcesses(c.ID)
		if gone(err) != nil {
			return err
		}
		if !slices.Contains(pids, pid) {
			continue
		}
		list, err := membersOf(e, []runtime.Cell{c})
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(m cellMember) bool { return m.Pid != pid })
		return a.printMembers(list, json)
	}
	return fmt.Errorf("process %d is in no cell: it is the host's, or there is none of this number", pid)
}

func (a *app) printMembers(list []cellMember, json bool) error {
	if json {
		return cmdline.WriteJSON(a.Stdout, list, "")
	}
	table := [][]string{append([]string{"ID"}, memberHead...)}
	for i := range list {
		table = append(table, append([]string{list[i].label}, memberRow(&list[i].Member)...))
	}
	return cmdline.WriteTable(a.Stdout, table)
}

var memberHead = []string{"PID", "PPID", "UID", "TIME", "RSS", "COMMAND"}

func memberRow(m *kmod.Member) []string {
	return []string{
		strconv.Itoa(m.Pid), strconv.Itoa(m.Parent), strconv.FormatUint(uint64(m.UID), 10),
		clock(m.CPU.Total), strconv.FormatUint(m.Memory>>10, 10) + "K", m.Command,
	}
}

// clock writes CPU time as ps(1) does: minutes, seconds and hundredths.
func clock(d time.Duration) string {
	d = d.Round(10 * time.Millisecond)
	return fmt.Sprintf("%d:%05.2f", d/time.Minute, (d % time.Minute).Seconds())
}
