package main

import (
	"slices"
	"strings"
	"testing"
)

func TestStopSaysWhatItDoes(t *testing.T) {
	for _, c := range []struct{ line, stdout, stderr string }{
		{"stop --all", "db: ended\nweb: ended\n", "runcell: wait until SIGTERM has ended web, 10s at most, then SIGKILL\n"},
		{"stop -t 3 web web", "web: ended\n", "runcell: wait until SIGTERM has ended web, 3s at most, then SIGKILL\n"},
		{"stop --time 0 web db", "db: ended\nweb: ended\n", ""},
	} {
		f := &fake{states: someStates()}
		stdout, stderr, code := f.runcell(t, strings.Fields(c.line)...)
		if sorted(stdout) != c.stdout || !strings.Contains(stderr, c.stderr) || code != 0 {
			t.Errorf("%s = %d, %q, %q; want %q, %q", c.line, code, stdout, stderr, c.stdout, c.stderr)
		}
	}
}

// sorted sorts lines.
func sorted(text string) string {
	lines := slices.Sorted(strings.Lines(text))
	return strings.Join(lines, "")
}
