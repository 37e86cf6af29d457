package console

// Console sessions as text: what a user types and what the screen shows.

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Step is a command of a session with what it must print to stdout, or to its
// terminal. A line that begins with the prompt of the container's shell is
// typed once that prompt is there.
type Step struct {
	Line    int // in the text, from 1
	Command string
	Want    []string // "…" stands for anything, alone for any lines
	Exit    int
}

// What begins a line of a session.
const (
	Prompt      = "# "
	morePrompt  = "> "   // the command goes on
	InnerPrompt = "/ # " // busybox's in the root directory
)

var (
	exitLine = regexp.MustCompile(`^\[exit (\d{1,3})\]$`)
	terminal = regexp.MustCompile(`(podman|ctr|nerdctl|buildah) .*(run|exec) .*(-it|-t|--tty) `)
)

// ParseSession reads lines, the first of which is line number first.
func ParseSession(lines []string, first int) ([]Step, error) {
	var steps []Step
	for i, text := range lines {
		at := first + i
		if command, ok := strings.CutPrefix(text, Prompt); ok {
			steps = append(steps, Step{Line: at, Command: command})
			continue
		}
		if len(steps) == 0 {
			if text == "" {
				continue
			}
			return nil, fmt.Errorf("read session: line %d: %q comes before the first command, which begins with %q", at, text, Prompt)
		}
		s := &steps[len(steps)-1]
		m := exitLine.FindStringSubmatch(text)
		more, goesOn := strings.CutPrefix(text+" ", morePrompt) // the prompt of an empty line ends with ">"
		switch {
		case m != nil:
			s.Exit, _ = strconv.Atoi(m[1])
		case goesOn && len(s.Want) == 0:
			s.Command += "\n" + strings.TrimSuffix(more, " ")
		default:
			s.Want = append(s.Want, text)
		}
	}
	for i := range steps {
		steps[i].Want = trimEnd(steps[i].Want)
	}
	return steps, nil
}

// Section is a session with a name: a case.
type Section struct {
	Name, Clause, Does string
	Steps              []Step
}

var sectionLine = regexp.MustCompile(`^== (\S+) \[(.+)\]$`)

// ParseSections reads a file of cases: "== NAME [CLAUSE]", a line that says what
// must hold, the session.
func ParseSections(text string) ([]Section, error) {
	lines := strings.Split(text, "\n")
	var starts []int
	for i, line := range lines {
		if sectionLine.MatchString(line) {
			starts = append(starts, i)
		}
	}
	var sections []Section
	for n, at := range starts {
		end := len(lines)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		if at+1 == end {
			return nil, fmt.Errorf("read cases: line %d: a case needs a line that says what must hold", at+1)
		}
		m := sectionLine.FindStringSubmatch(lines[at])
		steps, err := ParseSession(lines[at+2:end], at+3)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", m[1], err)
		}
		sections = append(sections, Section{Name: m[1], Clause: m[2], Does: lines[at+1], Steps: steps})
	}
	return sections, nil
}

// Terminal says whether a command of a tool has an option by which it gets a
// terminal.
func (s *Step) Terminal() bool { return terminal.MatchString(s.Command) }

func trimEnd(lines []string) []string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
