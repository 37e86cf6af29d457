package kmod

// What a cell sees of other processes, and what it can do to them: nothing.

import (
	"slices"
	"strconv"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

func decimal[N int | kmod.ID](n N) string { return strconv.FormatUint(uint64(n), 10) }

var views = []harness.Case{
	{
		Name: "view/list", Clause: "class process.cansee.other_cell", Does: "the process list of a cell has its members and nobody else",
		Run: in(func(w *world) {
			for _, p := range policy.Profiles {
				id, other := w.cell(w.spec(p)), w.cell(w.spec(p))
				w.waiter(other)
				w.onHost(0)
				m := w.agent(id, entry{})
				kids := m.must("fork", "2").Pids
				got, want := m.must("procs").Pids, append(kids, m.pidInside())
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					w.Errorf("at profile %s the cell sees %v; want %v", p, got, want)
				}
			}
		}),
	},
	{
		Name: "view/list-user", Clause: "class process.cansee.other_cell", Does: "another user in the cell sees the same",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			root, m := w.agent(id, entry{}), w.agent(id, entry{uid: 1000})
			got, want := m.must("procs").Pids, []int{root.pidInside(), m.pidInside()}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				w.Errorf("user 1000 of the cell sees %v; want %v", got, want)
			}
		}),
	},
	{
		Name: "view/host-root", Clause: "policy: host root", Does: "root on the host sees every cell's processes",
		Run: in(func(w *world) {
			x, y := w.waiter(w.cell(w.high(nil))), w.waiter(w.cell(w.high(nil)))
			w.withProc()
			host := w.onHost(0)
			got := host.must("procs").Pids
			for _, pid := range []int{x.pid, y.pid, host.pid} {
				if !slices.Contains(got, pid) {
					w.Errorf("root on the host does not see process %d in %v", pid, got)
				}
			}
		}),
	},
	{
		Name: "view/host-user", Clause: "class process.cansee.other_cell", Does: "another user of the host does not see a cell's processes",
		Run: in(func(w *world) {
			x := w.waiter(w.cell(w.high(nil)))
			w.withProc()
			if got := w.onHost(1000).must("procs").Pids; slices.Contains(got, x.pid) {
				w.Errorf("user 1000 of the host sees member %d", x.pid)
			}
		}),
	},
}

// How the systems refuse to touch a process of another cell: it is not
// permitted, or there is no such process.
var refusals = []string{"EPERM", "EACCES", "ESRCH", "ENOENT"}

// refused checks that an operation on an outsider fails, and that the
// outsider, an agent or a waiter, is still there.
func (w *world) refused(m *member, op string, args ...string) {
	if r := m.try(op, args...); !slices.Contains(refusals, r.Errno) {
		w.Errorf("%s %q = %s (%s); want it refused", op, args, r.Result(), r.Detail)
	}
}

// refusedSignal checks that signals do not reach a process.
func (w *world) refusedSignal(m *member, pid int) {
	for _, sig := range []string{"0", "CONT", "USR1", "TERM", "KILL"} {
		w.refused(m, "kill", decimal(pid), sig)
	}
	if !alive(pid) {
		w.Errorf("process %d was reached", pid)
	}
}

// alive says whether a process is there and no zombie.
func alive(pid int) bool { return unix.Kill(pid, 0) == nil && !ended(pid) }

// strangers are processes that a cell must not reach: of the host, of the
// same user there, and of another cell.
func (w *world) strangers(m *member) map[string]int {
	found := map[string]int{
		"root on the host": w.onHost(0).pid, "user 1000 on the host": w.onHost(1000).pid,
		"another cell": w.agent(w.cell(w.high(nil)), entry{}).pid,
	}
	// Where a cell numbers its processes anew, a stranger's pid must not be a
	// member's by chance.
	inside := m.must("procs").Pids
	for who, pid := range found {
		if slices.Contains(inside, pid) {
			w.Skipf("%s has pid %d, which a member has in the cell", who, pid)
		}
	}
	return found
}

var signals = []harness.Case{
	{
		Name: "signal/outside", Clause: "class process.signal.other_cell", Does: "a cell's root reaches no process outside, at any profile",
		Run: in(func(w *world) {
			for _, p := range policy.Profiles {
				m := w.agent(w.cell(w.spec(p)), entry{})
				for _, pid := range w.strangers(m) {
					w.refusedSignal(m, pid)
				}
			}
		}),
	},
	{
		Name: "signal/outside-errno", Clause: "class process.signal.other_cell", Does: "it is EPERM, as for any process that one may not signal",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, pid := range w.strangers(m) {
				m.want("EPERM", "kill", decimal(pid), "TERM")
			}
		}),
	},
	{
		Name: "signal/inside", Clause: "class process.signal", Does: "members signal each other",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			w.waiter(id)
			a, b := w.agent(id, entry{}), w.agent(id, entry{})
			b.must("trap", "USR1")
			a.must("kill", decimal(b.pidInside()), "USR1")
			if n := b.must("caught", "USR1").Size; n != 1 {
				w.Errorf("caught %d signals; want 1", n)
			}
			kid := a.must("fork", "1").Pids[0]
			a.must("end", decimal(kid))
		}),
	},
	{
		Name: "signal/same-user", Clause: "class process.signal", Does: "in a cell the host's rules hold: user 1000 reaches its own, not root's",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			root := w.agent(id, entry{})
			a, b := w.agent(id, entry{uid: 1000}), w.agent(id, entry{uid: 1000})
			b.must("trap", "USR1")
			a.must("kill", decimal(b.pidInside()), "USR1")
			a.want("EPERM", "kill", decimal(root.pidInside()), "USR1")
			if n := b.must("caught", "USR1").Size; n != 1 {
				w.Errorf("caught %d signals; want 1", n)
			}
		}),
	},
	{
		Name: "signal/all", Clause: "class process.signal.other_cell", Does: "kill(-1) of a cell's root hits its members and nobody else",
		Run: in(killAllInside),
	},
	{
		Name: "signal/group", Clause: "class process.signal.other_cell", Does: "a signal to a process group outside hits nobody",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			outsider := w.onHost(0)
			w.refused(m, "kill", "-"+decimal(outsider.pid), "KILL") // it leads its group
			if !alive(outsider.pid) {
				w.Errorf("the host's process was reached")
			}
		}),
	},
	{
		Name: "signal/host-root", Clause: "policy: host root", Does: "root on the host signals members",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			m.must("trap", "USR1")
			w.onHost(0).must("kill", decimal(m.pid), "USR1")
			if n := m.must("caught", "USR1").Size; n != 1 {
				w.Errorf("caught %d signals; want 1", n)
			}
		}),
	},
	{
		Name: "signal/host-user", Clause: "class process.signal.other_cell", Does: "another user of the host does not reach a cell's root",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			w.onHost(1000).want("EPERM", "kill", decimal(m.pid), "TERM")
		}),
	},
	{
		Name: "signal/host-same-user", Clause: "class process.signal.other_cell", Does: "nor the processes of the same user in a cell",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{uid: 1000})
			w.onHost(1000).want("EPERM", "kill", decimal(m.pid), "0")
		}),
	},
}

func killAllInside(w *world) {
	id := w.cell(w.high(nil))
	first := w.agent(id, entry{})
	first.must("trap", "TERM")
	second, third := w.agent(id, entry{}), w.agent(id, entry{uid: 1000})
	kid := w.seen(id, second.must("fork", "1").Pids...)[0]
	strangers := w.strangers(first)
	first.must("kill", "-1", "TERM")
	w.reap(second.pid)
	w.reap(third.pid)
	w.Eventually(func() bool {
		members, err := w.k.Processes(id)
		return err == nil && !slices.Contains(members, kid)
	}, "a member's child was not hit")
	for who, pid := range strangers {
		if !alive(pid) {
			w.Errorf("%s was hit", who)
		}
	}
	if first.try("who").Errno != "" {
		w.Errorf("the caller did not survive")
	}
}

var traces = []harness.Case{
	watchCase("trace/ptrace", "process.ptrace.other_cell", "debug", "ptrace"),
	watchCase("trace/memory", "process.procfs.other_cell", "open the memory of", "memory"),
	watchCase("trace/watch", "process.kevent_filter.other_cell", "watch the end of", "watch"),
	{
		Name: "trace/ktrace", Clause: "class process.ktrace.other_cell", Does: "a cell's root can trace the system calls of members, and of no process outside", OS: netbsd,
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			strangers := w.strangers(m)
			kid := m.must("fork", "1").Pids[0]
			m.must("ktrace", decimal(kid))
			if !agent.Traced(kid) {
				w.Errorf("a member is not traced")
			}
			m.must("untrace", decimal(kid))
			for who, pid := range strangers {
				// It may say that it succeeds.
				_ = m.try("ktrace", decimal(pid))
				if agent.Traced(pid) {
					w.Errorf("%s is traced", who)
				}
			}
		}),
	},
	{
		Name: "trace/nice", Clause: "class process.nice.other_cell", Does: "a cell's root can't change the priority of a process outside",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, pid := range w.strangers(m) {
				w.refused(m, "nice", decimal(pid), "5")
			}
			m.must("nice", decimal(m.must("fork", "1").Pids[0]), "5")
		}),
	},
	{
		Name: "trace/host-root", Clause: "policy: host root", Does: "root on the host debugs and watches members",
		Run: in(func(w *world) {
			w.withProc()
			m := w.agent(w.cell(w.high(nil)), entry{})
			host := w.onHost(0)
			for _, op := range []string{"ptrace", "memory", "watch"} {
				host.must(op, decimal(m.pid))
			}
		}),
	},
	{
		Name: "trace/host-user", Clause: "class process.ptrace.other_cell", Does: "another user of the host can't debug a cell's root",
		Run: in(func(w *world) {
			w.withProc()
			m := w.agent(w.cell(w.high(nil)), entry{})
			host := w.onHost(1000)
			for _, op := range []string{"ptrace", "memory"} {
				w.refused(host, op, decimal(m.pid))
			}
			w.refused(host, "nice", decimal(m.pid), "5")
		}),
	},
	{
		Name: "trace/host-same-user", Clause: "class process.ptrace.other_cell", Does: "nor the processes of the same user in a cell",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{uid: 1000})
			w.refused(w.onHost(1000), "ptrace", decimal(m.pid))
		}),
	},
}

// watchCase makes a case for an operation that a cell's root may do to a
// member and to nobody else.
func watchCase(name, class, does, op string) harness.Case {
	return harness.Case{
		Name: name, Clause: "class " + class, Does: "a cell's root can " + does + " members, and no process outside",
		Run: in(func(w *world) {
			w.withProc()
			m := w.agent(w.cell(w.high(nil)), entry{})
			strangers := w.strangers(m)
			m.must(op, decimal(m.must("fork", "1").Pids[0]))
			for _, pid := range strangers {
				w.refused(m, op, decimal(pid))
			}
		}),
	}
}
