package supervise

// When a program that has ended is started again, and after which pause.

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// When says after which end.
type When string

// What When can be.
const (
	Never     When = "no"
	OnFailure When = "on-failure"
	Always    When = "always"
)

// Policy is the value of --restart.
type Policy struct {
	When  When
	Limit int // how often in a row, with OnFailure; 0 = without end
}

// ParsePolicy reads no, on-failure, on-failure:N or always; nothing is no.
func ParsePolicy(s string) (Policy, error) {
	if s == "" {
		return Policy{When: Never}, nil
	}
	name, number, limited := strings.Cut(s, ":")
	p := Policy{When: When(name)}
	switch {
	case limited && p.When != OnFailure, p.When != Never && p.When != OnFailure && p.When != Always:
		return p, fmt.Errorf("restart %q: use no, on-failure, on-failure:N or always", s)
	case limited:
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n == 0 {
			return p, fmt.Errorf("restart %q: N is how often, 1 or more", s)
		}
		p.Limit = int(n)
	}
	return p, nil
}

// The pauses before a new start: they double from the first to the longest. A
// life that took as long as settled begins anew with the first, and its end is
// the first in a row.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Minute
	settled      = 10 * time.Second
)

// series counts the starts in a row.
type series struct {
	Policy
	starts int
	pause  time.Duration
}

// next judges a life: whether another one follows, and after which pause.
func (s *series) next(failed bool, lived time.Duration) (pause time.Duration, again bool) {
	if s.When == Never || s.When == OnFailure && !failed {
		return 0, false
	}
	if lived >= settled || s.pause == 0 {
		s.starts, s.pause = 0, firstPause
	}
	if s.exhausted() {
		return 0, false
	}
	pause = s.pause
	s.starts, s.pause = s.starts+1, min(2*s.pause, longestPause)
	return pause, true
}

func (s *series) exhausted() bool { return s.Limit > 0 && s.starts >= s.Limit }
