package harness

// Records: what a suite gave on another machine, so that the table can show
// it. A NetBSD kernel's results come out of a virtual machine as the TAP that
// the suite prints there; that text is the record.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Record is one runtime's outcomes by case. What is known to differ is
// decided when it is shown, so they are Pass, Fail or Skip.
type Record struct {
	Runtime, Version string
	Outcomes         map[string]Outcome
	Reasons          map[string]string // of the skips
}

var (
	recordHead = regexp.MustCompile(`^\s*# tested: (\S+)(?: (.*))?$`)
	recordLine = regexp.MustCompile(`^\s*(not )?ok \d+ - ([^:\s]+): ([^:\s]+): `)
	recordSkip = regexp.MustCompile(`[^\\]# SKIP (.*)$`)
)

// ReadRecord reads what TAP printed, with any other lines between.
func ReadRecord(r io.Reader) (*Record, error) {
	rec := &Record{Outcomes: map[string]Outcome{}, Reasons: map[string]string{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if m := recordHead.FindStringSubmatch(s.Text()); m != nil {
			if rec.Runtime != "" {
				return nil, errors.New("read record: it has two beginnings; keep one run")
			}
			rec.Runtime, rec.Version = m[1], strings.TrimSpace(m[2])
			continue
		}
		if err := rec.line(s.Text()); err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
	}
	switch {
	case s.Err() != nil:
		return nil, fmt.Errorf("read record: %w", s.Err())
	case rec.Runtime == "":
		return nil, errors.New(`read record: no line "# tested: NAME VERSION"`)
	}
	return rec, nil
}

func (rec *Record) line(text string) error {
	m := recordLine.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	failed, runtime, name := m[1] != "", m[2], m[3]
	if runtime != rec.Runtime {
		return fmt.Errorf("case %s is of %q, not of %q", name, runtime, rec.Runtime)
	}
	if _, twice := rec.Outcomes[name]; twice {
		return fmt.Errorf("case %s is there twice", name)
	}
	switch skip := recordSkip.FindStringSubmatch(text); {
	case failed:
		rec.Outcomes[name] = Fail
	case skip != nil:
		rec.Outcomes[name], rec.Reasons[name] = Skip, skip[1]
	default:
		rec.Outcomes[name] = Pass
	}
	return nil
}

// Append adds the record to a report as one more column. Cases that the
// suite no longer has are left out, and younger ones have no outcome.
func (rec *Record) Append(r *Report, s *Suite) {
	column := rec.Runtime
	for _, t := range r.Runtimes {
		if t.Name == column { // the same on another system
			column += " on " + rec.Version
			break
		}
	}
	r.Runtimes = append(r.Runtimes, Target{Name: column, Version: rec.Version})
	for _, c := range s.Cases {
		outcome, ok := rec.Outcomes[c.Name]
		if !ok {
			continue
		}
		x := Result{Runtime: rec.Runtime, Case: c.Name, Clause: c.Clause, Does: c.Does, Outcome: outcome, Reason: rec.Reasons[c.Name]}
		s.Expected.explain(&x)
		x.Runtime = column
		r.Results = append(r.Results, x)
	}
}
