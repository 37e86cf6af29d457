package main

// runcell denials: what the kernel refused to whom, and what would open it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func (a *app) denialsCommand() *cli.Command {
	return &cli.Command{
		Name:      "denials",
		Usage:     "tell what a container was denied, and which permission would open it",
		ArgsUsage: "ID | --all",
		Description: `The kernel counts denied requests by the scope of kauth(9), and keeps the last one: who asked
for what, and when. That is there until the container is deleted, also after its program has ended.
Of those before the last one, "runcell events" tells while they happen, and the system's log.`,
		Flags: []cli.Flag{
			cmdline.FormatFlag("table", "json"),
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "tell it of all cells"},
		},
		Action: a.action(a.denials),
	}
}

// denied is what a cell was denied.
type denied struct {
	named
	Total  uint64            `json:"total"`
	Counts map[string]uint64 `json:"counts"` // by kauth scope
	Last   *lastDenied       `json:"last,omitempty"`
	label  string
}

// lastDenied is the last one.
type lastDenied struct {
	Class      string    `json:"class"`                // its name in the policy reference
	Meaning    string    `json:"meaning,omitempty"`    // what was asked
	Permission string    `json:"permission,omitempty"` // that opens it; empty: none does
	Opens      string    `json:"opens,omitempty"`      // completes "a cell with it may ..."
	Pid        int       `json:"pid"`
	UID        uint32    `json:"uid"`
	Time       time.Time `json:"time,omitzero"`
}

func (a *app) denials(_ context.Context, cmd *cli.Command) error {
	all, id := cmd.Bool("all"), ""
	if !all {
		var err error
		if id, err = onlyArgument(cmd, "a container ID or --all"); err != nil {
			return err
		}
	} else if err := noArguments(cmd); err != nil {
		return err
	}
	e, err := a.engine(cmd)
	if err != nil {
		return err
	}
	f, err := e.Features()
	if err != nil {
		return err
	}
	cells, err := cellsOf(e, id, all)
	if err != nil {
		return err
	}
	if f.Stats.Level == kmod.Absent {
		return fmt.Errorf("denied requests are not counted here: %s", f.Stats.Reason)
	}
	list := []denied{}
	err = eachCell(cells, func(c runtime.Cell) error {
		s, err := e.CellStats(c.ID)
		if err == nil {
			list = append(list, deniedTo(c, &s))
		}
		return err
	})
	if cmd.String("format") == "json" {
		return errors.Join(cmdline.WriteJSON(a.Stdout, list, ""), err)
	}
	for i := range list {
		err = errors.Join(list[i].write(a.Stdout), err)
	}
	return err
}

func deniedTo(c runtime.Cell, s *kmod.Stats) denied {
	d := denied{named: nameOf(c), Counts: map[string]uint64{}, label: cellLabel(c)}
	for scope, n := range s.Denials {
		d.Counts[scope] = n
		d.Total += n
	}
	if s.LastDenied == "" {
		return d
	}
	d.Last = &lastDenied{Class: s.LastDenied, Pid: s.Last.Pid, UID: s.Last.UID, Time: s.Last.Time}
	i := slices.IndexFunc(policy.Table[:], func(r policy.Row) bool { return r.Name == s.LastDenied })
	if i < 0 {
		return d // of a later module
	}
	d.Last.Meaning = policy.Table[i].Meaning
	if info := policy.Table[i].Opens.Info(); info != nil {
		d.Last.Permission, d.Last.Opens = info.Name, info.Opens
	}
	return d
}

// write tells it in words.
func (d *denied) write(w io.Writer) error {
	if d.Total == 0 && d.Last == nil {
		_, err := fmt.Fprintf(w, "%s: nothing was denied\n", cmdline.OneLine(d.label))
		return err
	}
	var counts []string
	for _, scope := range policy.Scopes {
		if n := d.Counts[string(scope)]; n > 0 {
			counts = append(counts, fmt.Sprintf("%s %d", scope, n))
		}
	}
	lines := []string{fmt.Sprintf("%s: %s denied (%s)", d.label, plural(d.Total, "request"), strings.Join(counts, ", "))}
	if l := d.Last; l != nil {
		when := "at an unknown time"
		if !l.Time.IsZero() {
			when = "on " + l.Time.Local().Format("2006-01-02 15:04:05 MST")
		}
		lines = append(
			lines,
			fmt.Sprintf("  last: %s, to process %d of user %d, %s", l.Class, l.Pid, l.UID, when),
			"  asked: "+l.Meaning,
		)
		if l.Permission == "" {
			lines = append(lines, "  no permission opens it")
		} else {
			lines = append(
				lines,
				fmt.Sprintf("  opened by: \"netbsd\": {\"cell\": {\"permissions\": [%q]}}", l.Permission),
				fmt.Sprintf("  which lets the cell %s", l.Opens),
			)
		}
	}
	for i := range lines {
		lines[i] = wrap(lines[i], denialWidth)
	}
	return cmdline.WriteLines(w, lines)
}

// line is the same in one.
func (d *denied) line() string {
	s := plural(d.Total, "request") + " denied"
	if l := d.Last; l != nil && l.Permission != "" {
		s += ", the last " + l.Class + ": the permission " + l.Permission + " opens it"
	} else if l != nil {
		s += ", the last " + l.Class + ": no permission opens it"
	}
	return s
}

// denialWidth is how long a line gets.
const denialWidth = 79

// wrap breaks a line at spaces; what follows is indented.
func wrap(s string, width int) string {
	const indent = "      "
	var b strings.Builder
	at := 0
	lead := s[:len(s)-len(strings.TrimLeft(s, " "))]
	for i, word := range strings.Fields(cmdline.OneLine(s)) {
		switch {
		case i == 0:
			b.WriteString(lead)
			at = len(lead)
		case at+1+len(word) > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
