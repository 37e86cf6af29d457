package cmdline

// Printing for machines and for people.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

// FormatFlag chooses between output formats; the first is the default.
func FormatFlag(formats ...string) cli.Flag {
	list := strings.Join(formats, "|")
	return &cli.StringFlag{
		Name: "format", Aliases: []string{"f"}, Value: formats[0], Usage: "print as `" + list + "`",
		Validator: func(s string) error {
			if slices.Contains(formats, s) {
				return nil
			}
			return fmt.Errorf("unknown format %q (use %s)", s, list)
		},
	}
}

// FormatAsked gives the format; where none was given it is a table on a terminal,
// and JSON for programs.
func FormatAsked(cmd *cli.Command) string {
	if !cmd.IsSet("format") && IsTerminal(cmd.Root().Writer) {
		return "table"
	}
	return cmd.String("format")
}

// WriteJSON prints a value as one document, indented with "  " or, with "",
// on one line. It is printed on terminals, too: what is not seen there is escaped.
func WriteJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeUnseen(b.Bytes()))
	return err
}

// escapeUnseen spells what is in a document's strings and can't be seen: DEL,
// the control characters of ISO 6429 that package json leaves, as U+009B, and
// what turns a line's direction.
func escapeUnseen(doc []byte) []byte {
	unseen := func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }
	if !bytes.ContainsFunc(doc, unseen) {
		return doc
	}
	out := make([]byte, 0, len(doc)+len(doc)/4)
	for _, r := range string(doc) {
		switch {
		case !unseen(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, "\\u%04x\\u%04x", high, low)
		default:
			out = fmt.Appendf(out, "\\u%04x", r)
		}
	}
	return out
}

// WriteTable prints rows in columns.
func WriteTable(w io.Writer, rows [][]string) error {
	whole := bufio.NewWriter(w) // a tabwriter writes each cell by itself
	t := tabwriter.NewWriter(whole, 0, 1, tableGap, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = OneLine(row[i])
		}
		if _, err := io.WriteString(t, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return errors.Join(t.Flush(), whole.Flush())
}

// tableGap is what WriteTable puts between columns.
const tableGap = 3

// Fit shortens columns, the first of them first, until a table is at most width
// characters wide. None gets narrower than its heading and a few characters.
func Fit(rows [][]string, width int, columns ...int) {
	const least = 12
	var widths []int
	total := -tableGap
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(OneLine(cell)))
		}
	}
	for _, w := range widths {
		total += w + tableGap
	}
	for _, i := range columns {
		if i >= len(widths) || total <= width {
			continue
		}
		narrow := min(widths[i], max(least, widths[i]-(total-width)))
		total -= widths[i] - narrow
		for _, row := range rows {
			if i < len(row) {
				row[i] = Shorten(OneLine(row[i]), narrow)
			}
		}
	}
}

// Shorten cuts a text that is wider than width characters.
func Shorten(s string, width int) string {
	if runes := []rune(s); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return s
}

// TableWidth is how wide a table may be on w: what the terminal has, and 80
// characters elsewhere, or if that is less.
func TableWidth(w io.Writer) int {
	const least = 80
	if f, ok := stdstream.File(w); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return max(width, least)
		}
	}
	return least
}

// Age writes how long something has been, in its largest unit.
func Age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// Bytes writes an amount of memory.
func Bytes(n uint64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%dB", n)
	}
	f, units := float64(n)/step, "KMGTPE"
	for f >= step && len(units) > 1 {
		f, units = f/step, units[1:]
	}
	if f < 10 {
		return fmt.Sprintf("%.1f%c", f, units[0])
	}
	return fmt.Sprintf("%.0f%c", f, units[0])
}

// WriteLines prints a line each.
func WriteLines(w io.Writer, lines []string) error {
	whole := bufio.NewWriter(w)
	for _, line := range lines {
		if _, err := whole.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return whole.Flush()
}
