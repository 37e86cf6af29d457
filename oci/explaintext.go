package oci

// WriteExplanation: the text of `runcell explain`, for a person who may not
// know Unix well. What is wrong comes first, what is exact last.

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
)

// WriteExplanation prints the explanation of p, which Compile made with f.
// With colour, refused is red and approximated yellow, by ANSI sequences.
func WriteExplanation(w io.Writer, p *Plan, f kmod.Features, colour bool) error {
	b := bufio.NewWriter(w)
	t := &text{w: b, colour: colour}
	e := Explain(p, f)
	t.verdict(e)
	t.notes("Refused: the container can't be created until these are changed", e.Notes, func(n Note) bool { return n.Fatal })
	t.notes("Warnings: not carried out exactly", e.Notes, func(n Note) bool { return n.Grade != Exact && !n.Fatal })
	t.cell(e)
	t.process(e.Process)
	t.files(e)
	t.hooks(e.Hooks)
	t.permissions(e)
	t.missing(e.Missing)
	t.notes("Settings carried out exactly", e.Notes, func(n Note) bool { return n.Grade == Exact })
	return b.Flush()
}

// text writes sections and tables.
type text struct {
	w      *bufio.Writer
	colour bool
}

func (t *text) verdict(e *Explanation) {
	var fatal, warnings int
	for _, n := range e.Notes {
		switch {
		case n.Fatal:
			fatal++
		case n.Grade != Exact:
			warnings++
		}
	}
	switch {
	case fatal > 0:
		fmt.Fprintln(t.w, t.paint(red, "This configuration is refused: "+plural(fatal, "problem", "problems")+"."))
	case warnings > 0:
		fmt.Fprintln(t.w, t.paint(yellow, "This configuration can run, with "+plural(warnings, "warning", "warnings")+"."))
	default:
		fmt.Fprintln(t.w, t.paint(green, "This configuration can run exactly as written."))
	}
}

func (t *text) section(title string) { fmt.Fprintf(t.w, "\n%s\n", t.paint(bold, title)) }

func (t *text) notes(title string, notes []Note, pick func(Note) bool) {
	var rows [][]string
	for _, n := range notes {
		if pick(n) {
			rows = append(rows, []string{n.Field, string(n.Grade), strings.TrimPrefix(n.Value+": "+n.Reason, ": ")})
			rows[len(rows)-1][2] = strings.TrimSuffix(rows[len(rows)-1][2], ": ")
		}
	}
	if rows == nil {
		return
	}
	t.section(title)
	t.table(nil, rows)
}

func (t *text) cell(e *Explanation) {
	t.section("Cell")
	c := e.Cell
	limit := "none"
	if c.MaxProcesses > 0 {
		limit = strconv.FormatUint(c.MaxProcesses, 10)
	}
	t.table(nil, [][]string{
		{"kernel interface", e.Backend},
		{"profile", c.Profile.String() + t.support(c.Support["profile"])},
		{"network", string(c.Network) + ": " + c.NetworkMeans + t.support(c.Support["network"])},
		{"reserved ports", or(strings.Join(c.Ports, ", "), "none")},
		{"addresses", or(strings.Join(c.Addresses, ", "), "none")},
		{"process limit", limit},
	})
}

// missing tells what the kernel interface can't do for any cell.
func (t *text) missing(list []kmod.Feature) {
	if len(list) == 0 {
		return
	}
	t.section("Missing in this kernel interface")
	var rows [][]string
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Reason})
	}
	t.table(nil, rows)
}

// support tells when the kernel does not enforce something.
func (t *text) support(s kmod.Support) string {
	if s.Level == "" || s.Level == kmod.Enforced {
		return ""
	}
	return " (" + string(s.Level) + ", not enforced" + strings.TrimSuffix(": "+s.Reason, ": ") + ")"
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (t *text) process(p *Process) {
	if p == nil {
		return
	}
	t.section("Process")
	args := make([]string, len(p.Args))
	for i, a := range p.Args {
		args[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$") {
			args[i] = strconv.Quote(a)
		}
	}
	rows := [][]string{
		{"program", strings.Join(args, " ")},
		{"directory", p.Cwd},
		{"user, group", fmt.Sprintf("%d, %d", p.UID, p.GID)},
		{"more groups", or(strings.Trim(fmt.Sprint(p.AdditionalGIDs), "[]"), "none")},
		{"environment", plural(len(p.Env), "variable", "variables")},
		{"terminal", yesNo(p.Terminal)},
		{"may gain rights", yesNo(!p.NoNewPrivs)},
	}
	if p.Umask != nil {
		rows = append(rows, []string{"umask", fmt.Sprintf("%04o", *p.Umask)})
	}
	if p.Nice != nil {
		rows = append(rows, []string{"nice", strconv.Itoa(*p.Nice)})
	}
	for _, r := range p.Rlimits {
		rows = append(rows, []string{r.Type, limitValue(r.Soft) + ", at most " + limitValue(r.Hard)})
	}
	t.table(nil, rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (t *text) files(e *Explanation) {
	t.section("Files")
	root := e.Root.Path
	if e.Root.Readonly {
		root += " (read-only)"
	}
	rows := [][]string{{"root", root}}
	for _, m := range e.Mounts {
		rows = append(rows, []string{"mount", m.String()})
	}
	for _, d := range e.Devices {
		text := d.Path + strings.TrimSuffix(": "+d.Field, ": default")
		if d.Listed {
			text += ", opened to this cell by its number"
		}
		rows = append(rows, []string{"device", text})
	}
	for _, p := range e.MaskedPaths {
		rows = append(rows, []string{"hidden", p})
	}
	for _, p := range e.ReadonlyPaths {
		rows = append(rows, []string{"read-only", p})
	}
	t.table(nil, rows)
}

func (t *text) hooks(hooks []ExplainedHook) {
	if len(hooks) == 0 {
		return
	}
	t.section("Hooks: programs that run with the container's life")
	var rows [][]string
	for _, h := range hooks {
		rows = append(rows, []string{h.When, "timeout " + seconds(h.Timeout), h.Path})
	}
	t.table(nil, rows)
}

func (t *text) permissions(e *Explanation) {
	t.section("Permissions: what root in the cell may do" + t.support(e.Cell.Support["permissions"]))
	var rows [][]string
	for _, p := range e.Permissions {
		by := "profile " + e.Cell.Profile.String()
		if p.By != "" {
			by = p.By
		}
		rows = append(rows, []string{
			p.Permission.String(), open(p.Low), open(p.Medium), open(p.High), open(p.Open), by, p.May,
		})
	}
	// The long sentence would not fit beside the columns: its own line.
	t.matrix(rows)
}

func open(b bool) string {
	if b {
		return "open"
	}
	return "-"
}
