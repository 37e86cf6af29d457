package main

// TAP: a point for each step, and each step's own document as a subtest.

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// tapWriter prints the harness's own TAP document, version 14: a point for
// each step, the step's document as a subtest before it.
type tapWriter struct {
	w              io.Writer
	points, failed int
}

func newTAPWriter(w io.Writer) *tapWriter {
	fmt.Fprintln(w, "TAP version 14")
	return &tapWriter{w: w}
}

func (t *tapWriter) comment(s string) { fmt.Fprintln(t.w, "#", s) }

func (t *tapWriter) subtest(name string) { fmt.Fprintln(t.w, "# Subtest:", name) }

func (t *tapWriter) nested(line string) {
	if line != "" {
		line = "    " + line
	}
	fmt.Fprintln(t.w, line)
}

// point prints a test point, which passed if there are no problems.
func (t *tapWriter) point(name, note string, problems []string) {
	t.points++
	ok := "ok"
	if len(problems) > 0 {
		t.failed++
		ok = "not ok"
	}
	if note != "" {
		name += " (" + note + ")"
	}
	fmt.Fprintf(t.w, "%s %d - %s\n", ok, t.points, strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(name))
	if len(problems) == 0 {
		return
	}
	fmt.Fprintln(t.w, "  ---\n  message:")
	for _, p := range problems {
		fmt.Fprintf(t.w, "    - %s\n", quote(p))
	}
	fmt.Fprintln(t.w, "  ...")
}

// quote makes a JSON string, which is a YAML string too, and keeps < and >.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// close prints the plan and the count, and says whether all passed.
func (t *tapWriter) close() bool {
	fmt.Fprintf(t.w, "1..%d\n# %d passed, %d failed, 0 skipped\n", t.points, t.points-t.failed, t.failed)
	return t.failed == 0 && t.points > 0
}
