package main

import (
	"strings"
	"testing"
)

func TestDocument(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"plan first":         {"TAP version 14\n1..2\nok 1 - a\nok 2 - b\n", ""},
		"plan last":          {"ok\nok\n1..2\n", ""},
		"version 12":         {"1..1\nok 1\n", ""},
		"skip":               {"1..2\nok 1 # SKIP why\nok 2\n", ""},
		"todo":               {"1..2\nnot ok 1 - x # TODO why\nok 2\n", ""},
		"diagnostics":        {"1..1\n# not ok\nok 1\n  ---\n  message: not ok\n  ...\n", ""},
		"subtest":            {"1..1\n# Subtest: x\n    1..2\n    ok 1\n    not ok 2 # TODO x\nok 1 - x\n", ""},
		"empty":              {"", "no plan"},
		"no plan":            {"ok 1\n", "no plan"},
		"planned nothing":    {"1..0\n", "no test was run"},
		"all skipped":        {"1..1\nok 1 # skip\n", "all tests were skipped"},
		"too few":            {"1..3\nok 1\nok 2\n", "3 tests planned, 2 reported"},
		"too many":           {"1..1\nok 1\nok 2\n", "1 tests planned, 2 reported"},
		"failed":             {"1..2\nok 1\nnot ok 2\n", "1 of 2 tests failed"},
		"escaped directive":  {"1..1\nnot ok 1 - a \\# TODO x\n", "1 of 1 tests failed"},
		"bailed out":         {"1..2\nok 1\nBail out! no disk\n", "bailed out: no disk"},
		"bailed out, silent": {"Bail out!", "no reason given"},
		"wrong number":       {"1..2\nok 1\nok 3\n", "test point 3 comes as number 2"},
		"two plans":          {"1..1\nok 1\n1..1\n", "second plan"},
		"two documents":      {"TAP version 14\n1..1\nok 1\nTAP version 14\n", "second TAP version"},
		"okay is not ok":     {"1..1\nokay 1\n", "1 tests planned, 0 reported"},
	} {
		d := newDocument()
		for line := range strings.Lines(test.text) {
			d.line(strings.TrimRight(line, "\n"))
		}
		err := d.verdict()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: verdict = %v; want %q", name, err, test.want)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add("TAP version 14\n1..2\nok 1 - a # SKIP\nnot ok 2 - b # TODO c\n")
	f.Add("1..99999999999999999999\nok 99999999999")
	f.Fuzz(func(t *testing.T, text string) {
		d := newDocument()
		notOK := 0
		for line := range strings.Lines(text) {
			if d.line(strings.TrimRight(line, "\n")) {
				notOK++
			}
		}
		if d.points != d.passed+d.failed+d.skipped || d.failed != notOK {
			t.Errorf("%q: %+v does not add up", text, d)
		}
		if d.verdict() == nil && (d.failed > 0 || d.plan != d.points || d.passed == 0) {
			t.Errorf("%q: %+v is no success", text, d)
		}
	})
}
