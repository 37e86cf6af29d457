// Printing for machines and for people.
package main

import (
	"encoding/json"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
)

// writeJSON prints a value as one document, indented with "  " or, with "",
// on one line.
func writeJSON(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

// writeTable prints rows in columns.
func writeTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 1, 3, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = cmdline.OneLine(row[i])
		}
		if _, err := io.WriteString(t, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

// writeLines prints a line each.
func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}
