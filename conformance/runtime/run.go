package runtime

// run, and the exit statuses.

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

var runs = append(exitStatuses(), []h.Case{
	{
		Name: "run/signal-status", Clause: "runc command line: 128+n for a signal",
		Does: "run exits with 128+n when a signal ends the process", Run: func(t *t) {
			c, p := foreground(t, h.Idle)
			t.OK("kill", c, "KILL")
			if r := p.Wait(); r.Code != 128+9 {
				t.Errorf("want exit status 137: %s", r)
			}
		},
	},
	{
		Name: "run/deletes", Clause: "runtime.md Lifecycle, steps 11-12",
		Does: "the container is gone when run returns", Run: func(t *t) {
			id := t.ID()
			t.OK("run", "--bundle", t.Bundle(h.Do("mark", "ran")).Dir, id)
			t.Unknown(id)
		},
	},
	{
		Name: "run/state-while-running", Clause: "runtime.md Query State",
		Does: "a container of run is a container for state, list and exec", Run: func(t *t) {
			id, p := foreground(t, h.Idle)
			if r := t.OK("state", id); !strings.Contains(r.Stdout, `"running"`) {
				t.Errorf("want running: %s", r)
			}
			t.OK("exec", id, h.ProbePath, "facts")
			t.OK("kill", id, "KILL")
			p.Wait()
		},
	},
	{
		Name: "run/forwards-signals", Clause: "runc command line: run forwards signals",
		Does: "a signal to run reaches the process", Run: func(t *t) {
			_, p := foreground(t, h.Do("trap", "5"))
			p.Signal(syscall.SIGTERM)
			if r := p.Wait(); r.Code != 5 || !strings.Contains(r.Stdout, "SIGTERM") {
				t.Errorf("want SIGTERM inside and exit status 5: %s", r)
			}
		},
	},
	{
		Name: "run/detach", Clause: "runc command line: run --detach",
		Does: "run --detach returns while the program runs", Run: func(t *t) {
			id := t.ID()
			t.OK("run", "--detach", "--bundle", t.Bundle(h.Idle).Dir, id)
			if r := t.OK("state", id); !strings.Contains(r.Stdout, `"running"`) {
				t.Errorf("want running: %s", r)
			}
		},
	},
	{
		Name: "run/detach-needs-socket", Clause: "runc command line: console socket",
		Does: "run --detach with a terminal and no socket is an error", Run: func(t *t) {
			t.Refused("run", "--detach", "--bundle", t.Bundle(h.Idle, h.Terminal).Dir, t.ID())
		},
	},
	{
		Name: "run/stdin", Clause: "runc command line: run",
		Does: "the caller's stdin is the process's", Run: func(t *t) {
			in, err := os.Open(t.WriteFile("typed", "input"))
			t.Must("open input", err)
			r := t.Do(call{Args: []string{"run", "--bundle", t.Bundle(h.Do("stdin")).Dir, t.ID()}, Stdin: in})
			if got := t.Succeeds(h.ParseLines(r.Stdout), "stdin").Text; got != "typed" {
				t.Errorf("stdin reads %q", got)
			}
		},
	},
	{
		Name: "run/long-output", Clause: "runc command line: run",
		Does: "a mebibyte of output is complete when run returns", Run: func(t *t) {
			r := t.OK("run", "--bundle", t.Bundle(h.Do("flood", "1048576")).Dir, t.ID())
			if n := strings.Count(r.Stdout, "x"); n != 1<<20 {
				t.Errorf("%d bytes arrived", n)
			}
		},
	},
	{
		Name: "run/not-found", Clause: "runc command line: exit status 1 on an error",
		Does: "a missing program is an error of run, and no container is left", Run: func(t *t) {
			id := t.ID()
			t.Refused("run", "--bundle", t.Bundle(h.Args("/no/such/program")).Dir, id)
			t.Unknown(id)
		},
	},
	{
		Name: "run/bad-flag", Clause: "runc command line: errors",
		Does: "an unknown flag is an error", Run: func(t *t) {
			t.Refused("run", "--no-such-flag", "--bundle", t.Bundle(h.Idle).Dir, t.ID())
		},
	},
	{
		Name: "run/bad-command", Clause: "runc command line: errors",
		Does: "an unknown command is an error", Run: func(t *t) {
			if r := t.Try("nosuchcommand"); r.Code == 0 {
				t.Errorf("want an error: %s", r)
			}
		},
	},
}...)

func exitStatuses() []h.Case {
	var cases []h.Case
	for _, status := range []int{0, 1, 42, 255} {
		cases = append(cases, h.Case{
			Name: fmt.Sprintf("run/status-%d", status), Clause: "runc command line: exit status",
			Does: fmt.Sprintf("run exits with %d when the process does", status), Run: func(t *t) {
				b := t.Bundle(h.Do("exit", fmt.Sprint(status)))
				if r := t.Try("run", "--bundle", b.Dir, t.ID()); r.Code != status {
					t.Errorf("want exit status %d: %s", status, r)
				}
			},
		})
	}
	return cases
}

// foreground starts a run and waits until its program is ready.
func foreground(t *t, mods ...mod) (id string, p *h.Process) {
	id = t.ID()
	p = t.Begin(call{Args: []string{"run", "--bundle", t.Bundle(mods...).Dir, id}})
	t.Eventually(func() bool {
		_, ok := h.ParseLines(p.Output()).Find("ready")
		return ok || p.Done()
	}, "the program of run is not ready")
	// The program may be ready before run has noted that it runs.
	t.Eventually(func() bool { return strings.Contains(t.Try("state", id).Stdout, `"running"`) }, "run's container is not running")
	time.Sleep(10 * time.Millisecond)
	return id, p
}
