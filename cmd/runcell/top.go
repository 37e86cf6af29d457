package main

// runcell top: what all cells use, on a terminal again and again.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

func (a *app) topCommand() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "show what all cells use: CPU, memory, processes, denied requests",
		Description: `On a terminal the table is drawn anew after each interval, until INT. Elsewhere, and with
--once, it is printed once, after one interval: CPU is the share of one processor that the cell's
processes had in it.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cmdline.TimeFlag{Name: "interval", Value: time.Second, Usage: "`TIME` between two looks, such as 5s", Validator: checkInterval},
			&cli.BoolFlag{Name: "once", Usage: "print it once, also on a terminal"},
			&cli.StringFlag{Name: "sort", Value: "cpu", Usage: "begin with those that have most of `cpu|time|memory|processes|denials|id`; id is the alphabet", Validator: checkSort},
		},
		Action: a.action(a.top),
	}
}

// topOrders say which of two cells comes first.
var topOrders = map[string]func(a, b *topRow) int{
	"cpu":       func(a, b *topRow) int { return cmp.Compare(b.CPU, a.CPU) },
	"time":      func(a, b *topRow) int { return cmp.Compare(b.CPUSeconds, a.CPUSeconds) },
	"memory":    func(a, b *topRow) int { return cmp.Compare(b.Memory, a.Memory) },
	"processes": func(a, b *topRow) int { return cmp.Compare(b.Processes, a.Processes) },
	"denials":   func(a, b *topRow) int { return cmp.Compare(b.denied(), a.denied()) },
	"id":        func(_, _ *topRow) int { return 0 },
}

func checkSort(s string) error {
	if topOrders[s] == nil {
		return fmt.Errorf("no order %q (use cpu, time, memory, processes, denials or id)", s)
	}
	return nil
}

// topRow is what a cell uses.
type topRow struct {
	named
	CPU          float64 `json:"cpuPercent"` // of one processor, in the last interval
	CPUSeconds   float64 `json:"cpuSeconds"` // in all
	Memory       uint64  `json:"memory"`     // bytes resident
	Processes    uint64  `json:"processes"`
	MaxProcesses uint64  `json:"maxProcesses,omitempty"` // absent: no limit
	Denials      *uint64 `json:"denials,omitempty"`      // absent: not counted
	label        string
}

func (r *topRow) denied() uint64 {
	if r.Denials == nil {
		return 0
	}
	return *r.Denials
}

// look is what was seen at a moment.
type look struct {
	at   time.Time
	rows map[kmod.ID]*topRow
	used map[kmod.ID]time.Duration
}

func (a *app) top(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	drawn := cmdline.IsTerminal(a.Stdout) && !cmd.Bool("once") && cmd.String("format") == "table"
	before, _ := a.lookAtCells(e) // who can't be asked says so below
	for first := true; ; first = false {
		if drawn && first {
			if err := a.drawTop(nil, nil); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(cmd.Duration("interval")):
		}
		now, err := a.lookAtCells(e)
		list := now.since(before, topOrders[cmd.String("sort")])
		switch {
		case drawn && (err == nil || len(list) > 0): // one that can't be read hides no other
			if err := a.drawTop(list, err); err != nil {
				return err
			}
		case drawn:
			return err
		case cmd.String("format") == "json":
			return errors.Join(cmdline.WriteJSON(a.Stdout, list, ""), err)
		default:
			return errors.Join(cmdline.WriteTable(a.Stdout, topTable(list)), err)
		}
		before = now
	}
}

func (a *app) lookAtCells(e engine) (look, error) {
	l := look{a.now(), map[kmod.ID]*topRow{}, map[kmod.ID]time.Duration{}}
	cells, err := cellsOf(e, "", true)
	if err != nil {
		return l, err
	}
	return l, eachCell(cells, func(c runtime.Cell) error {
		s, err := e.CellStats(c.ID)
		if err != nil {
			return err
		}
		r := &topRow{
			named: nameOf(c), CPUSeconds: s.CPU.Total.Seconds(), Memory: s.Memory, Processes: s.Processes,
			MaxProcesses: s.MaxProcesses, label: cellLabel(c),
		}
		if s.Denials != nil {
			r.Denials = new(uint64)
			for _, n := range s.Denials {
				*r.Denials += n
			}
		}
		l.rows[c.ID], l.used[c.ID] = r, s.CPU.Total
		return nil
	})
}

// since tells what was used since an earlier look, in an order.
func (l look) since(before look, order func(a, b *topRow) int) []*topRow {
	list := make([]*topRow, 0, len(l.rows))
	for id, r := range l.rows {
		if was, ok := before.used[id]; ok && l.at.After(before.at) {
			// It can go down: those of ended processes are not always counted.
			used := max(l.used[id]-was, 0)
			const tenths = 1000
			r.CPU = float64(int64(tenths*float64(used)/float64(l.at.Sub(before.at))+0.5)) / 10
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *topRow) int {
		return cmp.Or(order(a, b), byName(a.named, b.named))
	})
	return list
}

func topTable(list []*topRow) [][]string {
	table := [][]string{{"ID", "CPU%", "TIME", "MEMORY", "PROCESSES", "DENIED"}}
	for _, r := range list {
		processes, denials := strconv.FormatUint(r.Processes, 10), "-"
		if r.MaxProcesses != 0 {
			processes += "/" + strconv.FormatUint(r.MaxProcesses, 10)
		}
		if r.Denials != nil {
			denials = strconv.FormatUint(*r.Denials, 10)
		}
		table = append(table, []string{
			r.label, strconv.FormatFloat(r.CPU, 'f', 1, 64), clock(time.Duration(r.CPUSeconds * float64(time.Second))),
			cmdline.Bytes(r.Memory), processes, denials,
		})
	}
	return table
}

// drawTop replaces what the terminal shows; unread is of cells that are not in the
// list.
func (a *app) drawTop(list []*topRow, unread error) error {
	const home, toEndOfLine, below = "\x1b[H", "\x1b[K", "\x1b[J"
	width, height := terminalSize(a.Stdout)
	var b strings.Builder
	head := fmt.Sprintf("%s  %s", a.now().Format(time.TimeOnly), plural(uint64(len(list)), "cell"))
	switch {
	case list == nil:
		head = "looking for the first time…"
	case unread != nil:
		head = cmdline.Shorten(head+"  "+cmdline.OneLine(unread.Error()), width)
	}
	table := topTable(list)
	cmdline.Fit(table, width, 0)
	if err := cmdline.WriteTable(&b, table); err != nil {
		return err
	}
	lines := append([]string{head, ""}, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
	lines = lines[:min(len(lines), height-1)]
	_, err := io.WriteString(a.Stdout, home+strings.Join(lines, toEndOfLine+"\n")+toEndOfLine+"\n"+below)
	return err
}

// terminalSize is what the terminal says, or what most have.
func terminalSize(w io.Writer) (width, height int) {
	if f, ok := stdstream.File(w); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 2 {
			return width, height
		}
	}
	return 80, 24
}
