package clients

// Console sessions as text: what a user types and what the screen shows.

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// step is a command of a session with what it must print to stdout, or to its
// terminal. A line that begins with the prompt of the container's shell is
// typed once that prompt is there.
type step struct {
	line    int // in the text, from 1
	command string
	want    []string // "…" stands for anything, alone for any lines
	exit    int
}

const (
	hostPrompt  = "# "
	morePrompt  = "> "   // the command goes on
	innerPrompt = "/ # " // busybox's in the root directory
)

var (
	exitLine = regexp.MustCompile(`^\[exit (\d{1,3})\]$`)
	// A command with one of these options gets a terminal.
	terminal = regexp.MustCompile(`(podman|ctr|nerdctl|buildah) .*(run|exec) .*(-it|-t|--tty) `)
)

// parseSession reads lines, the first of which is line number first.
func parseSession(lines []string, first int) ([]step, error) {
	var steps []step
	for i, text := range lines {
		at := first + i
		if command, ok := strings.CutPrefix(text, hostPrompt); ok {
			steps = append(steps, step{line: at, command: command})
			continue
		}
		if len(steps) == 0 {
			if text == "" {
				continue
			}
			return nil, fmt.Errorf("read session: line %d: %q comes before the first command, which begins with %q", at, text, hostPrompt)
		}
		s := &steps[len(steps)-1]
		m := exitLine.FindStringSubmatch(text)
		more, goesOn := strings.CutPrefix(text+" ", morePrompt) // the prompt of an empty line ends with ">"
		switch {
		case m != nil:
			s.exit, _ = strconv.Atoi(m[1])
		case goesOn && len(s.want) == 0:
			s.command += "\n" + strings.TrimSuffix(more, " ")
		default:
			s.want = append(s.want, text)
		}
	}
	for i := range steps {
		steps[i].want = trimEnd(steps[i].want)
	}
	return steps, nil
}

// section is a session with a name: a case.
type section struct {
	name, clause, does string
	steps              []step
}

var sectionLine = regexp.MustCompile(`^== (\S+) \[(.+)\]$`)

// parseSections reads a file of cases: "== NAME [CLAUSE]", a line that says what
// must hold, the session.
func parseSections(text string) ([]section, error) {
	lines := strings.Split(text, "\n")
	var starts []int
	for i, line := range lines {
		if sectionLine.MatchString(line) {
			starts = append(starts, i)
		}
	}
	var sections []section
	for n, at := range starts {
		end := len(lines)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		if at+1 == end {
			return nil, fmt.Errorf("read cases: line %d: a case needs a line that says what must hold", at+1)
		}
		m := sectionLine.FindStringSubmatch(lines[at])
		steps, err := parseSession(lines[at+2:end], at+3)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", m[1], err)
		}
		sections = append(sections, section{name: m[1], clause: m[2], does: lines[at+1], steps: steps})
	}
	return sections, nil
}

// parsePage reads the console blocks of a page of the documentation: they are
// one session.
func parsePage(text string) ([]step, error) {
	var steps []step
	var block []string
	start := 0 // the line after the fence
	for i, line := range strings.Split(text, "\n") {
		switch {
		case line == "```console":
			start, block = i+2, nil
		case line == "```" && start > 0:
			s, err := parseSession(block, start)
			if err != nil {
				return nil, err
			}
			steps, start = append(steps, s...), 0
		case start > 0:
			block = append(block, line)
		}
	}
	if start > 0 {
		return nil, fmt.Errorf("read page: the block at line %d has no end", start-1)
	}
	return steps, nil
}

func trimEnd(lines []string) []string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
