package kmod

// The process limit.

import (
	"time"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// limited creates a cell for at most n processes.
func (w *world) limited(n uint64) kmod.ID {
	w.needs(maxProcesses)
	return w.cell(w.high(func(s *kmod.Spec) { s.MaxProcesses = n }))
}

// room is a limit that leaves an agent some children even where each of its
// own threads counts as a process.
const room = 40

var limits = []harness.Case{
	{
		Name: "limit/fork", Clause: "class process.fork.limit", Does: "fork(2) is EAGAIN at the limit, and works again after an exit",
		Run: in(func(w *world) {
			id := w.limited(room)
			for _, uid := range []int{0, 1000} {
				m := w.agent(id, entry{uid: uid})
				r := m.want("EAGAIN", "fork", decimal(room))
				if len(r.Pids) == 0 {
					w.Fatalf("as user %d, no process could be forked below a limit of %d", uid, room)
				}
				m.must("end", decimal(r.Pids[0]))
				kid := m.must("fork", "1").Pids[0]
				m.want("EAGAIN", "fork", "1")
				for _, pid := range append(r.Pids[1:], kid) {
					m.must("end", decimal(pid))
				}
			}
		}),
	},
	{
		Name: "limit/exact", Clause: "node policy: cp_maxprocs", Does: "it counts processes: an agent has one less for its children",
		Run: in(func(w *world) {
			id := w.limited(room)
			m := w.agent(id, entry{})
			if r := m.want("EAGAIN", "fork", decimal(2*room)); len(r.Pids) != room-1 {
				w.Errorf("forked %d processes below a limit of %d; want %d", len(r.Pids), room, room-1)
			}
		}),
	},
	{
		Name: "limit/changed", Clause: "node policy", Does: "it is raised and lowered while the cell runs; lowered below what runs, it ends nobody",
		Run: in(func(w *world) {
			id := w.limited(room)
			m := w.agent(id, entry{})
			kids := m.want("EAGAIN", "fork", decimal(2*room)).Pids
			w.Must("raise limit", w.k.Limit(id, room+2))
			more := m.want("EAGAIN", "fork", decimal(room))
			if len(more.Pids) != 2 {
				w.Errorf("forked %d processes after a limit of %d was raised by 2", len(more.Pids), room)
			}
			w.Must("lower limit", w.k.Limit(id, 1))
			m.want("EAGAIN", "fork", "1")
			m.must("end", decimal(kids[0]))
			m.want("EAGAIN", "fork", "1")
			w.Must("lift limit", w.k.Limit(id, 0))
			m.must("fork", decimal(room))
		}),
	},
	{
		Name: "limit/exec", Clause: "class process.fork.limit", Does: "a child that would execute a program is refused, too",
		Run: in(func(w *world) {
			m := w.agent(w.limited(room), entry{})
			m.want("EAGAIN", "fork", decimal(room))
			m.want("EAGAIN", "spawn")
		}),
	},
	{
		Name: "limit/posix-spawn", Clause: "class process.fork.limit", Does: "and posix_spawn(2)", OS: netbsd,
		Run: in(func(w *world) {
			m := w.agent(w.limited(room), entry{})
			m.want("EAGAIN", "fork", decimal(room))
			m.want("EAGAIN", "posixspawn")
		}),
	},
	{
		Name: "limit/one", Clause: "node policy: cp_maxprocs", Does: "a limit of one process has no room for a second",
		Run: in(func(w *world) {
			id := w.limited(1)
			x := w.waiter(id)
			_, err := w.waiting(id, entry{}, 0)
			w.wantError("enter", err, unix.EAGAIN)
			w.wantMembers(id, x.pid)
		}),
	},
	{
		Name: "limit/enter", Clause: "node id: EAGAIN", Does: "entering is EAGAIN at the limit, and works again after an exit",
		Run: in(func(w *world) {
			id := w.limited(4)
			xs := []*waiter{w.waiter(id), w.waiter(id), w.waiter(id), w.waiter(id)}
			_, err := w.waiting(id, entry{}, 0)
			w.wantError("enter", err, unix.EAGAIN)
			xs[1].end()
			x := w.waiter(id)
			w.wantMembers(id, xs[0].pid, xs[2].pid, xs[3].pid, x.pid)
		}),
	},
	{
		Name: "limit/own", Clause: "node policy: cp_maxprocs", Does: "one cell at its limit hinders neither another nor the host",
		Run: in(func(w *world) {
			m := w.agent(w.limited(room), entry{})
			m.want("EAGAIN", "fork", decimal(room))
			w.agent(w.limited(room), entry{}).must("fork", "5")
			w.agent(w.cell(w.high(nil)), entry{}).must("fork", "5")
			w.onHost(1000).must("fork", "5")
		}),
	},
	{
		Name: "limit/none", Clause: "node policy: cp_maxprocs", Does: "without a limit there is none",
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			if r := m.must("fork", "200"); len(r.Pids) != 200 {
				w.Errorf("forked %d processes; want 200", len(r.Pids))
			}
		}),
	},
}

var kills = []harness.Case{
	{
		Name: "kill/term", Clause: "node kill", Does: "a signal reaches every member, of any user, once",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			members := []*member{w.agent(id, entry{}), w.agent(id, entry{}), w.agent(id, entry{uid: 1000})}
			for _, m := range members {
				m.must("trap", "TERM")
			}
			w.Must("signal the cell", w.k.Kill(id, int(unix.SIGTERM)))
			for i, m := range members {
				if n := m.must("caught", "TERM").Size; n != 1 {
					w.Errorf("member %d caught %d signals; want 1", i, n)
				}
			}
		}),
	},
	{
		Name: "kill/others", Clause: "node kill", Does: "it reaches nobody else",
		Run: in(func(w *world) {
			w.needs(killing)
			other, host := w.agent(w.cell(w.high(nil)), entry{}), w.onHost(0)
			id := w.cell(w.high(nil))
			x := w.waiter(id)
			w.Must("kill the cell", w.k.Kill(id, int(unix.SIGKILL)))
			w.reap(x.pid)
			for _, m := range []*member{other, host} {
				m.must("who")
			}
		}),
	},
	{
		Name: "kill/stop", Clause: "node kill", Does: "SIGSTOP holds a cell, and SIGCONT lets it go on",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			m.must("trap", "USR1")
			w.Must("stop the cell", w.k.Kill(id, int(unix.SIGSTOP)))
			w.onHost(0).must("kill", decimal(m.pid), "USR1")
			w.Must("let the cell go on", w.k.Kill(id, int(unix.SIGCONT)))
			if n := m.must("caught", "USR1").Size; n != 1 {
				w.Errorf("caught %d signals; want 1", n)
			}
		}),
	},
	{
		Name: "kill/nobody", Clause: "node kill", Does: "a cell without processes is no error",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			w.Must("signal an empty cell", w.k.Kill(id, int(unix.SIGTERM)))
			x := w.waiter(id)
			x.end()
			w.Must("signal a cell that has become empty", w.k.Kill(id, int(unix.SIGTERM)))
			w.Must("kill it", w.k.Kill(id, int(unix.SIGKILL)))
		}),
	},
	{
		Name: "kill/unknown", Clause: "node kill: ENOENT", Does: "a cell that is not there is ENOENT",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			w.destroy(id)
			w.wantError("kill", w.k.Kill(id, int(unix.SIGKILL)), kmod.ErrNotFound)
		}),
	},
	{
		Name: "kill/tree", Clause: "node kill", Does: "SIGKILL takes every process, orphans and children of children included",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			w.waiter(id)
			a, b := w.agent(id, entry{}), w.agent(id, entry{uid: 1000})
			a.must("fork", "20")
			b.must("fork", "20")
			b.must("spawn")
			a.end(0)
			w.wantEmpty(id)
		}),
	},
	{
		Name: "kill/relays", Clause: "node kill: dying", Does: "SIGKILL takes processes that fork and end without a pause",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			w.agent(id, entry{}).must("relays", "4")
			time.Sleep(50 * time.Millisecond)
			w.wantEmpty(id)
		}),
	},
	{
		Name: "kill/bomb", Clause: "node kill: dying", Does: "SIGKILL takes a fork bomb at its limit",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.limited(room)
			m := w.agent(id, entry{})
			// The first relays may be at the limit before the last one is
			// there: those that ended count until they are reaped.
			if r := m.try("relays", "4"); r.Errno != "" && r.Errno != "EAGAIN" {
				w.Fatalf("relays = %s (%s)", r.Errno, r.Detail)
			}
			_ = m.try("fork", decimal(room))
			w.wantEmpty(id)
		}),
	},
	{
		Name: "kill/again", Clause: "node kill: dying", Does: "a cell that was killed can be killed again, and destroyed",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			x := w.waiter(id)
			w.Must("kill the cell", w.k.Kill(id, int(unix.SIGKILL)))
			w.Must("kill it again", w.k.Kill(id, int(unix.SIGKILL)))
			w.reap(x.pid)
			w.Must("destroy", w.destroyLater(id))
		}),
	},
}

// wantEmpty kills a cell and checks that nobody is left, at once and later.
func (w *world) wantEmpty(id kmod.ID) {
	members, err := w.k.Processes(id)
	w.Must("list members", err)
	w.Must("kill the cell", w.k.Kill(id, int(unix.SIGKILL)))
	w.Eventually(func() bool {
		w.reapOrphans()
		left, err := w.k.Processes(id)
		return err == nil && len(left) == 0
	}, "members are left")
	w.Never(func() bool {
		left, err := w.k.Processes(id)
		return err != nil || len(left) > 0
	}, "a member is there again")
	// A process is no member any more before it has let go of all that it had,
	// which takes its time where many end at once.
	for _, pid := range members {
		w.Eventually(func() bool { w.reapOrphans(); return !alive(pid) }, "process %d lives on", pid)
	}
	w.Must("destroy", w.destroyLater(id))
}
