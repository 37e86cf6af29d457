package main

// What the host makes of the guest's words: a session takes console lines and
// report lines one at a time, prints TAP, and knows at the end whether every
// planned step reported success. It knows no QEMU and no clock.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// session is the state of one run.
type session struct {
	plan *protocol.Plan
	out  *tapWriter
	// record gets a program's TAP, under the step's name.
	record func(step, line string)

	seq     int // of the last frame
	next    int // index of the step that comes next
	running bool
	doc     *document
	loud    bool // the last point of a quiet step failed
	stderr  []string
	rounds  []protocol.Counters
	machine *protocol.Machine
	over    bool
	dark    bool  // the step that runs wants the power cut
	fault   error // what ended the run before its time
	crash   []string
}

func newSession(plan *protocol.Plan, w io.Writer, record func(step, line string)) *session {
	return &session{plan: plan, out: newTAPWriter(w), record: record}
}

// kernelTrouble are the words by which a console line says that there is
// nothing more to wait for; some of them only before the guest has said hello.
var kernelTrouble = []struct {
	word, means string
	early       bool
}{
	{"panic: ", "the kernel panicked", false},
	{"fatal page fault in supervisor mode", "the kernel crashed", false},
	{"fatal protection fault in supervisor mode", "the kernel crashed", false},
	{"Mutex error: ", "the kernel found a locking error", false},
	{"Reader / writer lock error: ", "the kernel found a locking error", false},
	{"root device: ", "the kernel did not find its root device (ROOT= names it)", true},
	{"init path (default /sbin/init)", "the kernel did not start /sbin/init", true},
	{"loader: ", "the boot loader refused", true},
}

// console takes a line of the kernel's, which may still lack its end.
func (s *session) console(line string) {
	if s.crash != nil && len(s.crash) < 60 {
		s.crash = append(s.crash, line)
		return
	}
	if f, found, err := protocol.ParseFrame(line); found {
		s.report(f, err)
		return
	}
	if strings.HasPrefix(line, "agent: ") {
		s.out.comment(line)
	}
	for _, t := range kernelTrouble {
		at := strings.Index(line, t.word)
		if at >= 0 && s.fault == nil && (!t.early || s.seq == 0) {
			s.fault = fmt.Errorf("%s: %s", t.means, line[at:])
			s.crash = []string{line}
		}
	}
}

// port takes a line of the serial port that only the agent writes to.
func (s *session) port(line string) {
	f, found, err := protocol.ParseFrame(line)
	if !found && strings.TrimSpace(line) != "" {
		err = fmt.Errorf("read report: a line is damaged: %.60q", line)
	}
	if found || err != nil {
		s.report(f, err)
	}
}

func (s *session) report(f protocol.Frame, err error) {
	switch {
	case s.fault != nil || s.over:
		return
	case err != nil:
		s.fault = err
		return
	case f.Seq != s.seq+1:
		s.fault = fmt.Errorf("read report: line %d comes after line %d: some are lost", f.Seq, s.seq)
		return
	}
	s.seq = f.Seq
	if err := s.frame(f); err != nil {
		s.fault = err
	}
}

func (s *session) frame(f protocol.Frame) error {
	switch f.Kind {
	case protocol.Hello:
		m := &protocol.Machine{}
		if err := json.Unmarshal([]byte(f.Text), m); err != nil {
			return fmt.Errorf("read report: hello: %w", err)
		}
		s.machine = m
		s.out.comment(fmt.Sprintf("%s %s %s, %d CPUs, %d MB: %s", m.System, m.Release, m.Machine, m.CPUs, m.Memory>>20, m.Version))
	case protocol.Begin:
		return s.begin(f.Text)
	case protocol.Out, protocol.Err:
		if !s.running {
			return fmt.Errorf("read report: output of no step: %.60q", f.Text)
		}
		s.output(f)
	case protocol.Counts:
		c := protocol.Counters{}
		if err := json.Unmarshal([]byte(f.Text), &c); err != nil {
			return fmt.Errorf("read report: counters: %w", err)
		}
		s.rounds = append(s.rounds, c)
	case protocol.Result:
		return s.result(f.Text)
	case protocol.Bye:
		s.over = true
		if f.Text != "" {
			return errors.New("the guest gave up: " + f.Text)
		}
	case protocol.Alive:
	}
	return nil
}

func (s *session) begin(name string) error {
	if s.running || s.next >= len(s.plan.Steps) || s.plan.Steps[s.next].Name != name {
		return fmt.Errorf("read report: step %q begins out of turn", name)
	}
	s.running, s.doc, s.stderr, s.loud = true, nil, nil, false
	s.dark = s.step().Do == protocol.PowerCut
	if step := s.step(); step.TAP {
		s.doc = newDocument()
		if !step.Quiet {
			s.out.subtest(name)
		}
	}
	return nil
}

// again goes on with the same guest, which lost its power in a step made for it.
func (s *session) again() {
	s.out.point(s.step().Name, "", nil)
	s.next++
	s.seq, s.running, s.dark = 0, false, false
}

func (s *session) step() *protocol.Step { return &s.plan.Steps[s.next] }

// maxStderr is the number of lines of a step's messages that are kept.
const maxStderr = 40

func (s *session) output(f protocol.Frame) {
	if f.Kind == protocol.Err || s.doc == nil {
		if s.stderr = append(s.stderr, f.Text); len(s.stderr) > maxStderr {
			s.stderr = s.stderr[1:]
		}
		return
	}
	failed := s.doc.line(f.Text)
	s.record(s.step().Name, f.Text)
	s.loud = failed || s.loud && strings.HasPrefix(f.Text, " ") // and its diagnosis
	switch {
	case !s.step().Quiet:
		s.out.nested(f.Text)
	case s.loud:
		s.out.comment(f.Text)
	}
}

// result ends a step; its TAP has the last word.
func (s *session) result(text string) error {
	var o protocol.Outcome
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read report: result: %w", err)
	}
	if !s.running || o.Step != s.step().Name {
		return fmt.Errorf("read report: step %q ends out of turn", o.Step)
	}
	var problems []string
	if s.doc != nil {
		if err := s.doc.verdict(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if !o.OK {
		problems = append(problems, o.Detail)
	}
	if len(problems) > 0 {
		problems = append(problems, s.stderr...)
	}
	s.out.point(o.Step, fmt.Sprintf("%.1f s", o.Seconds), problems)
	s.running = false
	s.next++
	return nil
}

// close prints what is still to be said, and whether all went well. why says
// what ended the machine, if that was not the guest itself.
func (s *session) close(why error) bool {
	if s.fault == nil && !s.over {
		s.fault = why
		if why == nil {
			s.fault = errors.New("the machine stopped in the middle of the plan")
		}
	}
	if s.running {
		s.out.point(s.step().Name, "", append([]string{"not finished"}, s.stderr...))
		s.next++
	}
	for ; s.next < len(s.plan.Steps); s.next++ {
		s.out.point(s.step().Name, "", []string{"not run"})
	}
	s.closeLeak()
	if s.fault != nil {
		s.out.point("the guest runs to its end", "", append([]string{s.fault.Error()}, s.crash...))
	}
	return s.out.close()
}

// closeLeak adds the verdict on the counters, if the plan has any.
func (s *session) closeLeak() {
	if !planCounts(s.plan) {
		return
	}
	found, err := leaks(s.rounds)
	if err != nil {
		found = []string{err.Error()}
	}
	s.out.point(fmt.Sprintf("no counter of the kernel grew in each of %d rounds", len(s.rounds)), "", found)
}

func planCounts(p *protocol.Plan) bool {
	for _, s := range p.Steps {
		if s.Do == protocol.Count {
			return true
		}
	}
	return false
}

// debugger says that the kernel is in its debugger.
func (s *session) debugger() { s.trouble(errors.New("the kernel is in its debugger")) }

// trouble ends the run, unless it has ended already; what the console says
// from now on tells more about it.
func (s *session) trouble(err error) {
	if s.fault == nil {
		s.fault = err
		s.crash = []string{}
	}
}
