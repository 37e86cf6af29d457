package console

// Comparing what a command printed with what it had to print.

import (
	"regexp"
	"strings"
)

// anything stands for any text of a line, and alone on it for any lines.
const anything = "…"

var (
	escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	longHex = regexp.MustCompile(`\b[0-9a-f]{12,64}\b`)
	number  = regexp.MustCompile(`\d+`)
)

// Screen gives the lines of an output as a user sees them.
func Screen(output string) []string {
	lines := strings.Split(WithoutEscapes(output), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		// A return goes back to the line's begin, and overwrites it.
		lines[i] = line[strings.LastIndex(line, "\r")+1:]
	}
	return trimEnd(lines)
}

// WithoutEscapes takes away what moves the cursor.
func WithoutEscapes(output string) string { return escapes.ReplaceAllString(output, "") }

// Steady replaces what differs between two runs of the same: ids and numbers.
func Steady(line string) string {
	return number.ReplaceAllString(longHex.ReplaceAllString(line, "ID"), "N")
}

// Matches says whether lines are the wanted ones.
func Matches(want, got []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == anything:
		return Matches(want[1:], got) || len(got) > 0 && Matches(want, got[1:])
	case len(got) == 0:
		return false
	}
	return lineMatches(want[0], got[0]) && Matches(want[1:], got[1:])
}

func lineMatches(want, got string) bool {
	parts := strings.Split(strings.TrimRight(want, " \t"), anything)
	rest, ok := strings.CutPrefix(got, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
