package main

// Reading what the suites print: TAP, as far as they keep to it.

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

type outcome string

const (
	pass outcome = "ok"
	fail outcome = "fail"
	skip outcome = "–"
	late outcome = "too late"
)

// result is a test's.
type result struct {
	file, test string
	outcome    outcome
}

// key names a test in the reasons and on the page.
func (r result) key() string { return r.file + ": " + r.test }

var (
	point = regexp.MustCompile(`^(not )?ok (\d+)(?: -)? (.*?)(?:\s+#\s*((?i:skip|todo).*))?$`)
	plan  = regexp.MustCompile(`^1\.\.(\d+)`)
)

// parseTAP reads a file's tests. Those that were planned and did not come are
// one result: the file was cut off, or died.
func parseTAP(file string, out []byte, cut bool) []result {
	planned := -1
	var all []result
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		if m := plan.FindStringSubmatch(line); m != nil {
			planned, _ = strconv.Atoi(m[1])
			continue
		}
		m := point.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		r := result{file: file, test: strings.TrimSpace(m[3]), outcome: pass}
		switch {
		case strings.HasPrefix(strings.ToLower(m[4]), "skip"):
			r.outcome = skip
		case m[1] != "":
			r.outcome = fail
		}
		all = append(all, r)
	}
	if missing := planned - len(all); planned < 0 || missing > 0 {
		how := fail
		if cut {
			how = late
		}
		all = append(all, result{file: file, test: "(what did not come)", outcome: how})
	}
	return all
}

// tally counts outcomes.
type tally struct{ pass, fail, skip int }

func count(all []result) (t tally) {
	for _, r := range all {
		switch r.outcome {
		case pass:
			t.pass++
		case skip:
			t.skip++
		case fail, late:
			t.fail++
		}
	}
	return t
}

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.pass, t.fail, t.skip)
}
