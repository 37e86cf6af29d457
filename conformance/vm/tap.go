package main

// Reading the TAP of one program (testanything.org, versions 12 to 14), to
// know whether it is complete and what it says.

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// document is what was read of a TAP document so far.
type document struct {
	version bool
	plan    int // of the plan line; -1 before it
	points  int
	passed  int // with failures that the program expected
	failed  int
	skipped int
	bail    string
	problem error // the first thing that is wrong with the document itself
}

func newDocument() *document { return &document{plan: -1} }

var (
	pointLine = regexp.MustCompile(`^(not )?ok\b(?: +([0-9]{1,9}))?(?: +-)?(.*)$`)
	planLine  = regexp.MustCompile(`^1\.\.([0-9]{1,9})\s*(#.*)?$`)
	directive = regexp.MustCompile(`(?i)(?:^|[^\\])#\s*(skip|todo)\b`)
)

// line reads a line; failed says that it is a test point that failed.
// Indented lines are diagnostics or subtests, for which a point follows.
func (d *document) line(s string) (failed bool) {
	switch {
	case strings.HasPrefix(s, "TAP version "):
		if d.version || d.points > 0 {
			d.wrong("it has a second TAP version line")
		}
		d.version = true
	case strings.HasPrefix(s, "Bail out!"):
		d.bail = strings.TrimSpace(strings.TrimPrefix(s, "Bail out!"))
		if d.bail == "" {
			d.bail = "no reason given"
		}
	default:
		if m := planLine.FindStringSubmatch(s); m != nil {
			d.readPlan(m[1])
		} else if m := pointLine.FindStringSubmatch(s); m != nil {
			return d.point(m[1] != "", m[2], m[3])
		}
	}
	return false
}

func (d *document) readPlan(n string) {
	if d.plan >= 0 {
		d.wrong("it has a second plan")
	}
	d.plan, _ = strconv.Atoi(n)
}

func (d *document) point(notOK bool, number, rest string) (failed bool) {
	d.points++
	if n, err := strconv.Atoi(number); number != "" && (err != nil || n != d.points) {
		d.wrong("test point %s comes as number %d", number, d.points)
	}
	word := ""
	if m := directive.FindStringSubmatch(rest); m != nil {
		word = strings.ToLower(m[1])
	}
	switch {
	case word == "skip":
		d.skipped++
	case notOK && word != "todo":
		d.failed++
		return true
	default:
		d.passed++
	}
	return false
}

func (d *document) wrong(format string, args ...any) {
	if d.problem == nil {
		d.problem = fmt.Errorf(format, args...)
	}
}

// verdict says what keeps a finished document from being a success.
func (d *document) verdict() error {
	switch {
	case d.bail != "":
		return fmt.Errorf("it bailed out: %s", d.bail)
	case d.failed > 0:
		return fmt.Errorf("%d of %d tests failed", d.failed, d.points)
	case d.problem != nil:
		return fmt.Errorf("the TAP is not right: %w", d.problem)
	case d.plan < 0:
		return errors.New("the TAP is not complete: it has no plan")
	case d.plan != d.points:
		return fmt.Errorf("the TAP is not complete: %d tests planned, %d reported", d.plan, d.points)
	case d.points == 0:
		return errors.New("no test was run")
	case d.passed == 0:
		return errors.New("all tests were skipped")
	}
	return nil
}
