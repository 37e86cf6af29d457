package harness

// What a case is, and which failures are expected.

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Case is one thing that must hold of a runtime.
type Case struct {
	Name   string // "kill/by-number": group and short name
	Clause string // the spec section, or the caller whose contract it is
	Does   string // what must hold, in a sentence
	// OS lists the systems on which the case applies; empty is every one.
	OS []string
	// Else says why it does not apply on the others; empty: it needs those.
	Else string
	// Timeout bounds the case on an idle machine; 0 is DefaultTimeout.
	Timeout time.Duration
	Run     func(*T)
}

// DefaultTimeout bounds a case that names no other, on an idle machine.
const DefaultTimeout = 30 * time.Second

func (c *Case) timeout() time.Duration { return cmp.Or(c.Timeout, DefaultTimeout) }

// Linux marks a case for systems that run Linux's namespaces and procfs.
var Linux = []string{"linux"}

// Expected says, for a runtime's name and a case, why the case fails there.
type Expected map[string]map[string]string

// Suite is a set of cases with the differences that are known.
type Suite struct {
	Name     string
	Cases    []Case
	Expected Expected
	// Intro says in the table what the cases' clauses are.
	Intro string
	// Compares says that each case must show the same as with the first peer,
	// which therefore runs first.
	Compares bool
	// Subject finds what the suite tests, if that is this machine and not a
	// program: such a suite takes no --runtime, its probe is this program, and
	// its cases reap their own processes.
	Subject func() (Target, error)
}

// Case finds a case by its name.
func (s *Suite) Case(name string) (Case, error) {
	i := slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return Case{}, fmt.Errorf("find case: suite %s has no %q", s.Name, name)
	}
	return s.Cases[i], nil
}

// Select gives the cases whose name matches.
func (s *Suite) Select(run *regexp.Regexp) []Case {
	var cases []Case
	for _, c := range s.Cases {
		if run == nil || run.MatchString(c.Name) {
			cases = append(cases, c)
		}
	}
	return cases
}

// Check reports what is wrong with the suite itself: names used twice, a
// case without a clause, a known difference of a case that does not exist.
func (s *Suite) Check() error {
	seen := map[string]bool{}
	for _, c := range s.Cases {
		switch {
		case seen[c.Name]:
			return fmt.Errorf("check suite %s: case %q twice", s.Name, c.Name)
		case c.Clause == "" || c.Does == "" || c.Run == nil:
			return fmt.Errorf("check suite %s: case %q lacks a clause, a sentence or a function", s.Name, c.Name)
		}
		seen[c.Name] = true
	}
	for runtime, differences := range s.Expected {
		for name := range differences {
			if !seen[name] {
				return fmt.Errorf("check suite %s: difference of %s for unknown case %q", s.Name, runtime, name)
			}
		}
	}
	return nil
}

// Outcome is how a case ended.
type Outcome string

const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
	// Known is a failure that the table of differences explains.
	Known Outcome = "known"
	// Fixed is a pass where the table of differences expects a failure.
	Fixed Outcome = "fixed"
)

// Result is a case's outcome against a runtime.
type Result struct {
	Runtime string   `json:"runtime"`
	Case    string   `json:"case"`
	Clause  string   `json:"clause"`
	Does    string   `json:"does"`
	Outcome Outcome  `json:"outcome"`
	Reason  string   `json:"reason,omitempty"`  // of a skip, or of a known difference
	Message []string `json:"message,omitempty"` // what failed, in order
	Leaks   []string `json:"leaks,omitempty"`
	Log     []string `json:"log,omitempty"` // the commands run, of a failure
	// Shown is what a user saw, without what differs from run to run; a suite
	// that compares expects the same of every runtime.
	Shown   []string `json:"shown,omitempty"`
	Notes   []string `json:"notes,omitempty"` // for a reader, whatever the outcome
	Seconds float64  `json:"seconds"`
}

// Sometimes ends the reason of a difference that depends on timing, so that
// neither outcome says anything new.
const Sometimes = "; not every time"

// unsteady says whether the outcome may differ from run to run.
func (r *Result) unsteady() bool {
	return (r.Outcome == Known || r.Outcome == Fixed) && strings.HasSuffix(r.Reason, Sometimes)
}

// explain applies the table of known differences.
func (e Expected) explain(r *Result) {
	reason, known := e[r.Runtime][r.Case]
	switch {
	case known && r.Outcome == Fail:
		r.Outcome, r.Reason = Known, reason
	case known && r.Outcome == Pass:
		r.Outcome, r.Reason = Fixed, reason
	}
}
