package supervise

// One life after the other.

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrOver is Once's where somebody has asked, at the last moment, that no life follow.
var ErrOver = errors.New("it is not to be started again")

// Loop is a program that is started again.
type Loop struct {
	Policy Policy
	// Once is a life, from the start to the end: the exit status as shells have
	// it. An error says why there was none.
	Once func(ctx context.Context) (status int, err error)
	// Over tells, at the end of a life and before another one, whether somebody
	// has asked that it be the last.
	Over func() (bool, error)
	// Say is told, in one line, why the program ended and what follows.
	Say func(line string)

	// For tests.
	since func(time.Time) time.Duration
	after func(time.Duration) <-chan time.Time
}

// Run runs one life after the other, and gives the status or the error of the
// last. The first one that does not begin is the last: what is wrong then is
// wrong with the order itself. When the context ends, no other one follows.
func (l Loop) Run(ctx context.Context) (status int, err error) {
	if l.since == nil {
		l.since, l.after = time.Since, time.After
	}
	s := series{Policy: l.Policy}
	for first := true; ; first = false {
		began := time.Now()
		before := status
		status, err = l.Once(ctx)
		if errors.Is(err, ErrOver) {
			l.Say("is not started again, as was asked for")
			return before, nil
		}
		if first && err != nil {
			return status, err
		}
		lived := l.since(began)
		what := describe(status, err)
		if over, oerr := l.over(ctx); over || oerr != nil {
			l.Say(what + ", as was asked for")
			return status, errors.Join(err, oerr)
		}
		pause, again := s.next(status != 0 || err != nil, lived)
		what = fmt.Sprintf("%s after %v", what, lived.Round(time.Millisecond))
		if !again {
			if s.exhausted() {
				l.Say(fmt.Sprintf("%s; it was started again %d times, and is not any more", what, s.starts))
			} else if l.Policy.When != Never || status != 0 {
				l.Say(what)
			}
			return status, err
		}
		l.Say(fmt.Sprintf("%s; it is started again in %v%s", what, pause, s.count()))
		select {
		case <-ctx.Done():
		case <-l.after(pause):
		}
		if over, oerr := l.over(ctx); over || oerr != nil {
			l.Say("is not started again, as was asked for")
			return status, errors.Join(err, oerr)
		}
	}
}

func (l Loop) over(ctx context.Context) (bool, error) {
	if ctx.Err() != nil {
		return true, nil
	}
	return l.Over()
}

// count is the number of a start in its series, where that has an end.
func (s *series) count() string {
	if s.Limit == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", s.starts, s.Limit)
}

// signalled is what a shell adds to the number of a signal.
const signalled = 128

func describe(status int, err error) string {
	if err != nil {
		return "failed: " + err.Error()
	}
	if sig := syscall.Signal(status - signalled); status > signalled && unix.SignalName(sig) != "" {
		return fmt.Sprintf("ended with status %d (%s)", status, unix.SignalName(sig))
	}
	return fmt.Sprintf("ended with status %d", status)
}
