package cmdline

// Printing for machines and for people.

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"
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

// WriteJSON prints a value as one document, indented with "  " or, with "",
// on one line.
func WriteJSON(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

// WriteTable prints rows in columns.
func WriteTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 1, 3, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = OneLine(row[i])
		}
		if _, err := io.WriteString(t, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

// WriteLines prints a line each.
func WriteLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}
