package kmod

// Counters, and what became of the first process.

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// refusal is an operation of a cell's root that is denied with exactly one
// request, so that counts are known.
type refusal struct {
	scope, class string
	op           string
	args         func(w *world) []string
}

func words(s ...string) func(*world) []string { return func(*world) []string { return s } }

var refusalTable = []refusal{
	{"system", "system.mknod", "mknod", words("/dev/null")},
	{"system", "system.time.system", "settime", words()},
	{"process", "process.signal.other_cell", "kill", func(w *world) []string { return []string{decimal(w.onHost(0).pid), "TERM"} }},
	{"network", "network.bind.port.reserved", "bind", func(w *world) []string {
		port := w.freePort()
		w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
		return []string{"tcp", at(own, port)}
	}},
	{"network", "network.socket.open.route", "socket", words("route")},
	{"device", "device.rawio_spec.read", "open", words("/dev/mem", "r")},
	{"machdep", "machdep.iopl", "iopl", words()},
}

var counters = append([]harness.Case{
	{
		Name: "stats/processes", Clause: "node stats: cs_procs", Does: "the processes are counted",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			w.wantProcesses(id, 0)
			xs := []*waiter{w.waiter(id), w.waiter(id), w.waiter(id)}
			w.wantProcesses(id, 3)
			xs[2].end()
			w.wantProcesses(id, 2)
		}),
	},
	{
		Name: "stats/unknown", Clause: "node stats: ENOENT", Does: "a cell that is not there is ENOENT",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			w.destroy(id)
			_, err := w.k.Stats(id)
			w.wantError("stats", err, kmod.ErrNotFound)
		}),
	},
	{
		Name: "stats/new", Clause: "node stats", Does: "a new cell was denied nothing",
		Run: in(func(w *world) {
			w.needs(stats)
			s, err := w.k.Stats(w.cell(w.high(nil)))
			w.Must("read stats", err)
			for scope, n := range s.Denials {
				if n != 0 {
					w.Errorf("%d denials in scope %s; want none", n, scope)
				}
			}
			if s.LastDenied != "" {
				w.Errorf("last denied is %q; want nothing", s.LastDenied)
			}
		}),
	},
	{
		Name: "stats/own", Clause: "node stats", Does: "each cell has its own counts",
		Run: in(func(w *world) {
			w.needs(stats)
			id, other := w.cell(w.high(nil)), w.cell(w.high(nil))
			before := w.denials(other)
			w.agent(id, entry{}).want("EPERM", "mknod", "/dev/null")
			if after := w.denials(other); !maps.Equal(before, after) {
				w.Errorf("another cell's counts went from %v to %v", before, after)
			}
		}),
	},
	{
		Name: "stats/asked-before", Clause: "class process.rlimit.bypass", Does: "fork(2) within the limits is no denial, though the kernel asks whether it may exceed them",
		Run: in(func(w *world) {
			w.needs(stats)
			id := w.cell(w.high(func(s *kmod.Spec) { s.Permissions = s.Permissions.Without(policy.Resource) }))
			m := w.agent(id, entry{})
			before := w.denials(id)
			m.must("fork", "3")
			if after := w.denials(id); !maps.Equal(before, after) {
				w.Errorf("after three forks, counts went from %v to %v", before, after)
			}
		}),
	},
	{
		Name: "stats/parallel", Clause: "node stats: exact", Does: "counts of several processes at once are exact",
		Run: in(func(w *world) {
			w.needs(stats)
			id := w.cell(w.high(nil))
			members := []*member{w.agent(id, entry{}), w.agent(id, entry{}), w.agent(id, entry{}), w.agent(id, entry{})}
			before := w.denials(id)
			const each = 100
			done := make(chan bool)
			for _, m := range members {
				go func() {
					for range each {
						m.want("EPERM", "mknod", "/dev/null")
					}
					done <- true
				}()
			}
			for range members {
				<-done
			}
			if n := w.denials(id)["system"] - before["system"]; n != uint64(each*len(members)) {
				w.Errorf("%d denials are counted; want %d", n, each*len(members))
			}
		}),
	},
}, counted()...)

// counted makes a case for each refusal.
func counted() []harness.Case {
	var cases []harness.Case
	for _, x := range refusalTable {
		cases = append(cases, harness.Case{
			Name: "stats/" + strings.ReplaceAll(x.class, ".", "-"), Clause: "class " + x.class, Does: "denials in scope " + x.scope + " are counted exactly, and the last one is named",
			Run: in(func(w *world) { countRefusals(w, x) }),
		})
	}
	return cases
}

func countRefusals(w *world, x refusal) {
	w.needs(stats)
	id := w.cell(w.high(nil))
	m, args := w.agent(id, entry{}), x.args(w)
	before := w.denials(id)
	const times = 7
	for range times {
		if r := m.try(x.op, args...); r.Errno != "EPERM" && r.Errno != "EACCES" {
			w.Skipf("%s %q = %s: nothing was denied", x.op, args, r.Result())
		}
	}
	want := maps.Clone(before)
	want[x.scope] += times
	if got := w.denials(id); !maps.Equal(got, want) {
		w.Errorf("after %d denials in scope %s, counts went from %v to %v", times, x.scope, before, got)
	}
	s, err := w.k.Stats(id)
	w.Must("read stats", err)
	if !strings.Contains(s.LastDenied, x.class) {
		w.Errorf("last denied is %q; want %s", s.LastDenied, x.class)
	}
}

// denials reads a cell's counts; a scope without any counts as 0.
func (w *world) denials(id kmod.ID) map[string]uint64 {
	s, err := w.k.Stats(id)
	w.Must("read stats", err)
	all := map[string]uint64{"system": 0, "process": 0, "network": 0, "device": 0, "machdep": 0, "vnode": 0, "generic": 0}
	maps.Copy(all, s.Denials)
	return all
}

func (w *world) wantProcesses(id kmod.ID, want uint64) {
	s, err := w.k.Stats(id)
	if err != nil || s.Processes != want {
		w.Errorf("stats say %d processes, %v; want %d", s.Processes, err, want)
	}
}

// wait asks for the status of the first process.
func (w *world) wait(id kmod.ID) (uint32, error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.Limit(patience))
	defer cancel()
	return w.k.Wait(ctx, id)
}

func (w *world) wantStatus(id kmod.ID, want uint32) {
	got, err := w.wait(id)
	if err != nil || got != want {
		w.Errorf("wait = %#x, %v; want %#x", got, err, want)
	}
}

// exited is the status that wait(2) gives for an exit code.
func exited(code uint32) uint32 { return code << 8 }

var statuses = []harness.Case{
	{
		Name: "status/wait", Clause: "node status", Does: "waiting lasts until the first process ends, and gives its exit code",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			x, err := w.waiting(id, entry{}, 42)
			w.Must("enter", err)
			got := make(chan string, 1)
			go func() {
				status, err := w.wait(id)
				got <- fmt.Sprintf("%#x, %v", status, err)
			}()
			select {
			case s := <-got:
				w.Fatalf("wait = %s while the process runs", s)
			case <-time.After(200 * time.Millisecond):
			}
			x.letGo()
			if s, want := <-got, fmt.Sprintf("%#x, %v", exited(42), nil); s != want {
				w.Errorf("wait = %s; want %s", s, want)
			}
			w.reap(x.pid)
		}),
	},
	{
		Name: "status/signal", Clause: "node status", Does: "the end by a signal is told as wait(2) does",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			for _, sig := range deadly {
				id := w.cell(w.high(nil))
				x := w.waiter(id)
				w.Must("signal", unix.Kill(x.pid, sig))
				w.wantStatus(id, uint32(sig))
				w.reap(x.pid)
			}
		}),
	},
	{
		Name: "status/kept", Clause: "node status", Does: "the status can be asked for again, until the cell is destroyed",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			x, err := w.waiting(id, entry{}, 3)
			w.Must("enter", err)
			x.letGo()
			w.wantStatus(id, exited(3))
			w.reap(x.pid)
			w.wantStatus(id, exited(3))
			w.wantStatus(id, exited(3))
			w.Must("destroy", w.destroyLater(id))
			_, err = w.wait(id)
			w.wantError("wait for a destroyed cell", err, kmod.ErrNotFound)
		}),
	},
	{
		Name: "status/zombie", Clause: "node status", Does: "it is there before the process is reaped",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			x, err := w.waiting(id, entry{}, 4)
			w.Must("enter", err)
			x.letGo()
			w.Eventually(func() bool { return ended(x.pid) }, "the process has not ended")
			w.wantStatus(id, exited(4))
			w.reap(x.pid)
		}),
	},
	{
		Name: "status/late", Clause: "node status", Does: "it is there for who asks after the process was reaped",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			x, err := w.waiting(id, entry{}, 5)
			w.Must("enter", err)
			x.end()
			w.wantStatus(id, exited(5))
		}),
	},
	{
		Name: "status/short", Clause: "node status", Does: "processes that end at once leave their status, every time",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			for i := range 30 {
				id := w.cell(w.high(nil))
				code := i%100 + 1
				pid, err := w.enter(id, entry{then: exitSteps(code)})
				w.Must("enter", err)
				w.wantStatus(id, exited(uint32(code)))
				w.reap(pid)
				w.Must("destroy", w.destroyLater(id))
			}
		}),
	},
	{
		Name: "status/first-only", Clause: "node status", Does: "it is the first process's, whoever else ends",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			first, err := w.waiting(id, entry{}, 6)
			w.Must("enter", err)
			second, err := w.waiting(id, entry{}, 7)
			w.Must("enter", err)
			second.end()
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			_, err = w.k.Wait(ctx, id)
			w.wantError("wait while the first process runs", err, context.DeadlineExceeded)
			first.letGo()
			w.wantStatus(id, exited(6))
			w.reap(first.pid)
		}),
	},
	{
		Name: "status/exec", Clause: "node status", Does: "a first process that executes programs and becomes another user is the same one",
		Run: in(func(w *world) {
			w.needs(exitStatus)
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			m.must("exec")
			m.must("setuid", "1000")
			m.must("exec")
			m.tell("exit", "9")
			w.wantStatus(id, exited(9))
			w.reap(m.pid)
		}),
	},
}
