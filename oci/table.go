package oci

// Aligned columns for WriteExplanation. text/tabwriter counts colour
// sequences as text and can't wrap a last column.

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The text fits a terminal of this many columns, so long words permitting.
const columns = 100

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (t *text) paint(code, s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// table prints rows below an optional head, the last column wrapped.
func (t *text) table(head []string, rows [][]string) {
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	widths := columnWidths(rows)
	indent := 2
	for _, w := range widths[:len(widths)-1] {
		indent += w + 2
	}
	for _, row := range rows {
		t.w.WriteString("  ")
		last := len(row) - 1
		for i, cell := range row[:last] {
			t.cellText(clean(cell), widths[i]+2)
		}
		for i, line := range wrap(clean(row[last]), columns-indent) {
			if i > 0 {
				t.w.WriteString(strings.Repeat(" ", indent))
			}
			t.w.WriteString(line + "\n")
		}
	}
}

// matrix prints the permissions: columns, and a sentence below each row.
func (t *text) matrix(rows [][]string) {
	head := []string{"PERMISSION", "LOW", "MEDIUM", "HIGH", "THIS CELL", "DECIDED BY"}
	all := append([][]string{head}, rows...)
	widths := columnWidths(all)
	for n, row := range all {
		t.w.WriteString("  ")
		for i, cell := range row[:5] {
			t.cellText(clean(cell), widths[i]+2)
		}
		fmt.Fprintln(t.w, clean(row[5]))
		if n == 0 {
			continue
		}
		for _, line := range wrap(clean(row[6]), columns-6) {
			fmt.Fprintln(t.w, "      "+line)
		}
	}
}

// cellText prints a cell padded to width, grades in their colours.
func (t *text) cellText(s string, width int) {
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	switch Grade(s) {
	case Refused:
		s = t.paint(red, s)
	case Approximated:
		s = t.paint(yellow, s)
	}
	t.w.WriteString(s + pad)
}

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range min(len(row), len(widths)) {
			widths[i] = max(widths[i], utf8.RuneCountInString(clean(row[i])))
		}
	}
	return widths
}

// wrap breaks s at spaces into lines of at most width characters; a longer
// word stays whole.
func wrap(s string, width int) []string {
	width = max(width, 30)
	var lines []string
	line := ""
	for word := range strings.SplitSeq(s, " ") {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// clean escapes what a configuration could send to a terminal.
func clean(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
		}
	}
	return s
}
