package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseTAP(t *testing.T) {
	out := "1..5\nok 1 - plain\nnot ok 2 with a # in its name\n# a comment\nok 3 skipped # skip for a reason\nok 4 - also #SKIP\n"
	want := []result{
		{"f", "plain", pass}, {"f", "with a # in its name", fail}, {"f", "skipped", skip}, {"f", "also", skip}, {"f", "(what did not come)", late},
	}
	if got := parseTAP("f", []byte(out), true); !slices.Equal(got, want) {
		t.Errorf("parseTAP = %v; want %v", got, want)
	}
	if got := parseTAP("f", nil, false); !slices.Equal(got, []result{{"f", "(what did not come)", fail}}) {
		t.Errorf("parseTAP of nothing = %v; want a failure", got)
	}
	if got := count(want); got != (tally{1, 2, 2}) {
		t.Errorf("count = %v", got)
	}
}

func TestReasons(t *testing.T) {
	got, err := parseReasons("# a comment\nno such thing\n  f: a\n\tf: b\n\nanother reason\n  f: c\n")
	if err != nil || len(got) != 3 || got["f: b"] != "no such thing" || got["f: c"] != "another reason" {
		t.Errorf("parseReasons = %v, %v", got, err)
	}
	for _, bad := range []string{"  f: a\n", "why\n  f: a\n  f: a\n"} {
		if got, err := parseReasons(bad); err == nil {
			t.Errorf("parseReasons(%q) = %v; want an error", bad, got)
		}
	}
	for _, s := range suites {
		if _, err := readReasons(s.name); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// TestCompare has one test of each kind.
func TestCompare(t *testing.T) {
	run := func(outcomes ...outcome) []result {
		var all []result
		for i, o := range outcomes {
			all = append(all, result{"f", string(rune('a' + i)), o})
		}
		return all
	}
	c := compare(run(pass, pass, pass, fail, skip), run(pass, fail, skip, pass, fail), map[string]string{"f: b": "why", "f: a": "stale"})
	err := c.fault(true)
	for _, want := range []string{"no reason: f: c", "not needed: f: a"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fault = %v; want %q in it", err, want)
		}
	}
	if err := c.fault(false); err == nil || strings.Contains(err.Error(), "not needed") {
		t.Errorf("fault of a part = %v; want nothing of stale reasons", err)
	}
	page := c.page(&suites[0], "crun 1")
	for _, want := range []string{"| f: b | fail | why |", "| f: c | – | **not known** |", "- f: d\n", "| crun | 3 | 1 | 1 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
