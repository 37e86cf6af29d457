package runtime

// What holds each time, of many: cases that look for a moment at which it
// does not.

import (
	"os"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// How often they try every day; CONFORMANCE_TRIES is for those who have hours.
const (
	states = 100
	kills  = 30
	visits = 40
)

var luck = []h.Case{
	{
		Name: "state/while-executing", Clause: "runtime.md State, status", Timeout: h.Long(states, 2*time.Second),
		Does: "a container that executes itself again and again is running each time, while others start and end", Run: func(t *t) {
			c := t.Running(h.Do("sleepless"))
			pid := c.State().Pid
			other := t.Bundle(h.Do("exit", "0"))
			id := t.ID()
			var neighbour *h.Process
			for i := range t.Tries(states) {
				if i%10 == 0 {
					endsWell(t, neighbour)
					neighbour = t.Begin(call{Args: []string{"run", "--bundle", other.Dir, id}})
				}
				if s := c.State(); s.Status != "running" || s.Pid != pid {
					t.Fatalf("try %d: the container is %s, process %d; want running, process %d", i+1, s.Status, s.Pid, pid)
				}
				t.Forget()
			}
			endsWell(t, neighbour)
			if r := t.Try("delete", c.ID); r.Code == 0 {
				t.Errorf("a running container was deleted: %s", r)
			}
		},
	},
	{
		Name: "escape/neighbour", Clause: "CVE-2016-9962", Timeout: h.Long(visits, 4*time.Second), OS: netbsd,
		Else: "Linux asks nobody but CAP_SYS_PTRACE: what holds on the emulator is in the tests of runtime/",
		Does: "root in a container gets hold of nothing of a process that comes in, however often it tries: descriptors, directories, memory, by ptrace",
		Run: func(t *t) {
			c := t.Running(h.Mount("/proc", "proc", "proc"), h.Do("neighbour"))
			mine, err := os.Open(c.Bundle.RootFS(h.ProbePath))
			t.Must("open file", err)
			defer func() { _ = mine.Close() }()
			for i := range t.Tries(visits) {
				visit := call{Args: []string{"exec", c.ID, h.ProbePath, "exit", "0"}}
				if i%2 == 1 { // with a descriptor of the caller's
					visit = call{Args: []string{"exec", "--preserve-fds", "1", c.ID, h.ProbePath, "exit", "0"}, Extra: []*os.File{mine}}
				}
				if r := t.Do(visit); r.Code != 0 {
					t.Fatalf("try %d: %s", i+1, r)
				}
			}
			for _, line := range c.Lines() {
				if line.Op == "got" {
					t.Errorf("the neighbour got %s", line.Text)
				}
			}
			if _, ok := c.Lines().Find("seen"); !ok {
				t.Errorf("the neighbour saw no process at all: %q", c.Output())
			}
		},
	},
	{
		Name: "kill/at-once", Clause: "runtime.md Kill", Timeout: h.Long(kills, 4*time.Second),
		Does: "a KILL that follows start without a pause ends the container each time, which can be deleted then", Run: func(t *t) {
			b := t.Bundle(h.Idle)
			for range t.Tries(kills) {
				c := t.CreateFrom(b)
				c.Start()
				c.Stop()
				c.Delete()
				t.Untrack(c.ID)
				t.Forget()
			}
		},
	},
}

// endsWell waits for a call that must succeed, if there is one.
func endsWell(t *t, p *h.Process) {
	if p == nil {
		return
	}
	if r := p.Wait(); r.Code != 0 {
		t.Errorf("a neighbour: %s", r)
	}
}
