package harness

// Printing results: TAP version 14 and JSON.

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Summary counts outcomes.
type Summary struct {
	Passed  int `json:"passed"` // with those that a table expected to fail
	Failed  int `json:"failed"` // unexpectedly
	Skipped int `json:"skipped"`
	Known   int `json:"known"` // failures that a table explains
	Fixed   int `json:"fixed"` // expected failures that passed, counted in Passed too
}

// Add counts a result.
func (s *Summary) Add(r Result) {
	switch r.Outcome {
	case Fixed:
		s.Fixed++
		s.Passed++
	case Pass:
		s.Passed++
	case Skip:
		s.Skipped++
	case Known:
		s.Known++
	default:
		s.Failed++
	}
}

// TAP prints results as they come (testanything.org, version 14).
type TAP struct {
	w io.Writer
	n int
}

// NewTAP starts a stream.
func NewTAP(w io.Writer) *TAP {
	fmt.Fprintln(w, "TAP version 14")
	return &TAP{w: w}
}

// Tested says what the test points are about.
func (p *TAP) Tested(t Target) {
	fmt.Fprintln(p.w, strings.TrimSpace("# tested: "+t.Name+" "+oneLine(t.Version)))
}

// Print prints a test point. A known difference carries TAP's directive for
// a failure that is expected.
func (p *TAP) Print(r Result) {
	p.n++
	ok := "ok"
	if r.Outcome == Fail || r.Outcome == Known {
		ok = "not ok"
	}
	fmt.Fprintf(p.w, "%s %d - %s", ok, p.n, escape(fmt.Sprintf("%s: %s: %s [%s]", r.Runtime, r.Case, r.Does, r.Clause)))
	switch r.Outcome {
	case Skip:
		fmt.Fprintf(p.w, " # SKIP %s", oneLine(r.Reason))
	case Known, Fixed:
		fmt.Fprintf(p.w, " # "+"TODO %s", oneLine(r.Reason))
	}
	fmt.Fprintln(p.w)
	for _, note := range r.Notes {
		fmt.Fprintf(p.w, "# %s: %s\n", r.Case, oneLine(note))
	}
	if r.Outcome == Fail || r.Outcome == Known {
		p.diagnose(r)
	}
}

// diagnose prints a YAML block; JSON strings are YAML strings.
func (p *TAP) diagnose(r Result) {
	fmt.Fprintln(p.w, "  ---")
	for _, part := range []struct {
		key   string
		lines []string
	}{{"message", r.Message}, {"leaks", r.Leaks}, {"log", r.Log}} {
		if len(part.lines) == 0 || part.key == "log" && r.Outcome == Known {
			continue
		}
		fmt.Fprintf(p.w, "  %s:\n", part.key)
		for _, line := range part.lines {
			b, err := json.Marshal(line)
			if err != nil {
				b = []byte(`"unprintable"`)
			}
			fmt.Fprintf(p.w, "    - %s\n", b)
		}
	}
	fmt.Fprintln(p.w, "  ...")
}

// Close prints the plan and the last line.
func (p *TAP) Close(s Summary) {
	fmt.Fprintf(p.w, "1..%d\n", p.n)
	if s.Known+s.Fixed > 0 {
		fmt.Fprintf(p.w, "# %d known differences failed, %d passed\n", s.Known, s.Fixed)
	}
	fmt.Fprintf(p.w, "# %d passed, %d failed, %d skipped\n", s.Passed, s.Failed, s.Skipped)
}

// escape keeps a description from being read as a directive.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(oneLine(s))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Report is the JSON output.
type Report struct {
	Suite    string   `json:"suite"`
	Runtimes []Target `json:"runtimes"`
	Results  []Result `json:"results"`
	Summary  Summary  `json:"summary"`
	Intro    string   `json:"-"` // the suite's, for the table
}

// Write writes the report as one JSON document.
func (r *Report) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
