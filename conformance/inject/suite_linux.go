package inject

// The cases: each story with each fault.

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

// Suite is every story with every fault.
var Suite = &h.Suite{
	Name: "inject", Expected: h.Expected{},
	Intro: "Each case is a command and a fault. The command runs once for each system call that it makes, and the fault is put into that call: " +
		"an error, or the end of the process by SIGKILL. It passes if no run hangs, none says that it did what it did not do, each that fails " +
		"says why, and nothing is left; what else was found and is right is in `conformance/inject/accepted_linux.go`.",
}

// faults are what is put into a call; 0 is SIGKILL.
var faults = []struct {
	name  string
	errno syscall.Errno
}{
	{"EIO", unix.EIO},
	{"EINTR", unix.EINTR},
	{"ENOSPC", unix.ENOSPC},
	{"EMFILE", unix.EMFILE},
	{"EACCES", unix.EACCES},
	{"KILL", 0},
}

// Load makes the cases.
func Load() error {
	step, err := every()
	if err != nil {
		return err
	}
	for _, st := range stories {
		for i, f := range faults {
			Suite.Cases = append(Suite.Cases, h.Case{
				Name: st.name + "/" + f.name, Clause: "runcell(8), EXIT STATUS", Timeout: time.Hour,
				Does: fmt.Sprintf("%s tells the truth and leaves nothing when a system call gives %s", st.does, f.name),
				Run:  func(t *h.T) { newStage(t, st).play(f.errno, step, i) },
			})
		}
	}
	return nil
}

// every reads INJECT_EVERY: only each so many-th call of a case is struck.
func every() (int, error) {
	text, ok := os.LookupEnv("INJECT_EVERY")
	if !ok {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("read INJECT_EVERY: %q is no number from 1", text)
	}
	return n, nil
}

// tally is what a case counts.
type tally struct{ struck, missed, done, refused, accepted, faults int }

func (c tally) String() string {
	return fmt.Sprintf("%d calls struck (%d not reached): %d commands succeeded, %d failed, %d accepted, %d faults",
		c.struck, c.missed, c.done, c.refused, c.accepted, c.faults)
}

// play runs the story without a fault, then with a fault in each step-th call
// from offset on.
func (s *stage) play(errno syscall.Errno, step, offset int) {
	want, counts := s.rehearse()
	var all []fault
	for _, call := range slices.Sorted(maps.Keys(counts)) {
		for n := range counts[call] {
			all = append(all, fault{call, n + 1, errno})
		}
	}
	var c tally
	for i := offset % step; i < len(all); i += step {
		s.strike(all[i], want, &c)
		s.t.Forget()
	}
	// After all the faults it goes as before, and takes away what the last
	// fault left to the next change.
	var last tally
	if s.strike(fault{}, want, &last); last.done != 1 {
		s.t.Errorf("after the faults, without one: the command fails")
	}
	s.t.Note(c.String())
}

// rehearse gives the truth of a run without a fault, and its calls: twice, as
// the first makes what stays.
func (s *stage) rehearse() (want string, counts map[string]int) {
	for range 2 {
		s.prepare()
		s.counter.begin(fault{})
		r, hung := s.filtered(s.story.args(s)...)
		counts, _ = s.counter.end()
		if hung || r.Code != 0 {
			s.t.Fatalf("without a fault: %s", r)
		}
		want = s.story.truth(s, r)
		if problem := s.clear(); problem != "" {
			s.t.Fatalf("without a fault: %s", problem)
		}
		s.empty = s.kept()
	}
	return want, counts
}

func (s *stage) prepare() {
	if s.story.before != nil {
		s.story.before(s)
	}
}

// strike runs the story once with a fault, and judges it.
func (s *stage) strike(f fault, want string, c *tally) {
	s.prepare()
	s.counter.begin(f)
	r, hung := s.filtered(s.story.args(s)...)
	_, struck := s.counter.end()
	var problems []string
	note := func(problem string) {
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	switch {
	case hung:
		note("hangs")
	case r.Code == 0:
		c.done++
		note(difference(want, s.story.truth(s, r)))
	default:
		c.refused++
		note(s.refusal(f, r))
	}
	note(s.clear())
	if struck == "" {
		c.missed++
		struck = "no call"
	} else {
		c.struck++
	}
	for _, p := range problems {
		if accepted(s.story.name, struck, p) {
			c.accepted++
			continue
		}
		c.faults++
		s.t.Errorf("%s %s: %s; %s", f, struck, p, r)
	}
}

// refusal says what is wrong with a command that failed: it must say why, what
// it says of the container must be true, and a container that it did not make
// must not be there.
func (s *stage) refusal(f fault, r h.CmdResult) string {
	killed := f.errno == 0
	switch message := strings.TrimSpace(r.Stderr); {
	case killed && r.Code == 128+int(unix.SIGKILL):
		return ""
	case r.Code > 128 && r.Code < 160, strings.Contains(message, "panic:"), strings.Contains(message, "goroutine "):
		return "crashes"
	case message == "":
		return "fails without a message"
	case !killed && !strings.Contains(message, ": "):
		return "a message that names nothing"
	}
	state := s.state()
	if strings.Contains(state, "alive") {
		return state
	}
	// Once its program has run, a container whose end can't be noted stays.
	if s.story.undone && s.output() == "" {
		if left := s.settle(); len(left) > 0 {
			return "left when it fails: " + strings.Join(left, ", ")
		}
	}
	return ""
}

// difference tells where the truth is not as it was without a fault.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "nothing", "nothing"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("says that it succeeded, but: %q, want %q", b, a)
		}
	}
	return ""
}
