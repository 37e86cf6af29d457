package kmod

// Entering a cell, and that there is no way out of it.

import (
	"path/filepath"
	"slices"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

var entries = []harness.Case{
	{
		Name: "enter/first", Clause: "node id", Does: "a child at the cell's root enters and is its process",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			x := w.waiter(id)
			w.wantMembers(id, x.pid)
		}),
	},
	{
		Name: "enter/later", Clause: "node id", Does: "more processes enter the same cell",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			a, b, c := w.waiter(id), w.waiter(id), w.waiter(id)
			w.wantMembers(id, a.pid, b.pid, c.pid)
			b.end()
			w.wantMembers(id, a.pid, c.pid)
		}),
	},
	{
		Name: "enter/wrong-root", Clause: "node id: EPERM", Does: "a child whose root is another directory is refused",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			_, err := w.waiting(id, entry{root: filepath.Join(w.root, "other")}, 0)
			w.wantError("enter from another root directory", err, unix.EPERM)
		}),
	},
	{
		Name: "enter/replaced-root", Clause: "node id: EPERM", Does: "a directory that has taken the root's name is not the root",
		Run: in(func(w *world) {
			dir := w.MkdirAll("cell2")
			id := w.cell(w.high(func(s *kmod.Spec) { s.Root = dir }))
			w.Must("rename root", unix.Rename(dir, dir+".old"))
			w.MkdirAll("cell2", "proc")
			_, err := w.waiting(id, entry{root: dir}, 0)
			w.wantError("enter from the new directory", err, unix.EPERM)
		}),
	},
	{
		Name: "enter/renamed-root", Clause: "node id", Does: "a root that was renamed is the root still",
		Run: in(func(w *world) {
			dir := w.MkdirAll("cell2")
			w.MkdirAll("cell2", "proc")
			id := w.cell(w.high(func(s *kmod.Spec) { s.Root = dir }))
			w.Must("rename root", unix.Rename(dir, dir+".new"))
			x, err := w.waiting(id, entry{root: dir + ".new"}, 0)
			w.Must("enter", err)
			w.wantMembers(id, x.pid)
		}),
	},
	{
		Name: "enter/unknown", Clause: "node id: ENOENT", Does: "a cell that is not there can't be entered",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			w.destroy(id)
			_, err := w.waiting(id, entry{}, 0)
			w.wantError("enter", err, kmod.ErrNotFound)
		}),
	},
	{
		Name: "enter/killed", Clause: "node id: EBUSY", Does: "a cell that was killed can't be entered any more",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			x := w.waiter(id)
			w.Must("kill cell", w.k.Kill(id, int(unix.SIGKILL)))
			w.reap(x.pid)
			_, err := w.waiting(id, entry{}, 0)
			w.wantError("enter", err, unix.EBUSY)
		}),
	},
	{
		Name: "enter/killed-empty", Clause: "node kill: dying", Does: "a cell that was killed before anybody entered can't be entered",
		Run: in(func(w *world) {
			w.needs(killing)
			id := w.cell(w.high(nil))
			w.Must("kill cell", w.k.Kill(id, int(unix.SIGKILL)))
			_, err := w.waiting(id, entry{}, 0)
			w.wantError("enter", err, unix.EBUSY)
		}),
	},
	{
		Name: "enter/keeps", Clause: "node id", Does: "entering keeps ids, umask and descriptors",
		Run: in(func(w *world) {
			const want = "uid 0 0 gid 0 0 umask 022 cwd /"
			old := unix.Umask(0o022)
			defer unix.Umask(old)
			m := w.agent(w.cell(w.high(nil)), entry{})
			if got := m.must("who").Text; got != want {
				w.Errorf("the member is %q; want %q", got, want)
			}
			if got := m.must("descriptors").Pids; !slices.Equal(got, []int{0, 1, 2}) {
				w.Errorf("the member has descriptors %v; want 0, 1, 2", got)
			}
			const user = "uid 1000 1000 gid 1000 1000 umask 022 cwd /"
			if got := w.agent(w.cell(w.high(nil)), entry{uid: 1000}).must("who").Text; got != user {
				w.Errorf("another member is %q; want %q", got, user)
			}
		}),
	},
	{
		Name: "enter/no-way-out", Clause: "node id: EPERM", Does: "a member can't go to the host, at any profile",
		Run: in(func(w *world) {
			for _, p := range policy.Profiles {
				id := w.cell(w.spec(p))
				m := w.agent(id, entry{})
				m.want("EPERM", "leave")
				m.wantAs(1000, "EPERM", "leave")
				w.wantMembers(id, m.pid)
			}
		}),
	},
	{
		Name: "enter/no-other-cell", Clause: "node id: EPERM", Does: "a member can't enter another cell, nor its own again",
		Run: in(func(w *world) {
			id, other := w.cell(w.spec(policy.Low)), w.cell(w.high(nil))
			m := w.agent(id, entry{})
			m.want("EPERM", "enter", decimal(other))
			m.want("EPERM", "enter", decimal(id))
			w.wantMembers(id, m.pid)
			w.wantMembers(other)
		}),
	},
}

var inheritance = []harness.Case{
	{
		Name: "inherit/fork", Clause: "cred scope: COPY", Does: "a forked child is a member until it ends",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			kids := m.must("fork", "3").Pids
			w.wantMembers(id, append(w.seen(id, kids...), m.pid)...)
			m.must("end", decimal(kids[1]))
			w.wantMembers(id, append(w.seen(id, kids[0], kids[2]), m.pid)...)
		}),
	},
	{
		Name: "inherit/exec", Clause: "cred scope", Does: "a member that executes a program stays one, and stays refused",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			m.want("EPERM", "chroot")
			m.must("exec")
			m.want("EPERM", "chroot")
			m.want("EPERM", "leave")
			w.wantMembers(id, m.pid)
		}),
	},
	{
		Name: "inherit/fork-exec", Clause: "cred scope: COPY", Does: "a child that executes a program is a member, and refused",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			kid := m.must("spawn").Pids[0]
			w.wantMembers(id, append(w.seen(id, kid), m.pid)...)
			// chroot is one of the operations that a child carries out.
			m.want("EPERM", "chroot")
		}),
	},
	{
		Name: "inherit/posix-spawn", Clause: "cred scope: COPY", Does: "a child of posix_spawn(2) is a member", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			kid := m.must("posixspawn").Pids[0]
			w.wantMembers(id, m.pid, kid)
		}),
	},
	{
		Name: "inherit/setuid", Clause: "cred scope", Does: "root that becomes another user stays a member, and stays refused",
		Run: in(func(w *world) {
			id := w.cell(w.spec(policy.Low))
			m := w.agent(id, entry{})
			outsider := w.onHost(1000)
			m.must("setuid", "1000")
			w.wantMembers(id, m.pid)
			w.refusedSignal(m, outsider.pid)
			kid := m.must("fork", "1").Pids[0]
			w.wantMembers(id, append(w.seen(id, kid), m.pid)...)
			m.want("EPERM", "leave")
		}),
	},
	{
		Name: "inherit/orphan", Clause: "cred scope", Does: "a process whose parent ends stays a member",
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			first := w.waiter(id)
			m := w.agent(id, entry{})
			kid := w.seen(id, m.must("fork", "1").Pids...)
			m.end(0)
			w.wantMembers(id, first.pid, kid[0])
			w.wantError("destroy", w.k.Destroy(id), kmod.ErrBusy)
		}),
	},
}

// wantMembers checks who is in a cell, as the host sees it.
func (w *world) wantMembers(id kmod.ID, pids ...int) {
	w.needs(processList)
	slices.Sort(pids)
	got, err := w.k.Processes(id)
	if err != nil || !slices.Equal(got, pids) {
		w.Errorf("members of cell %d are %v, %v; want %v", id, got, err, pids)
	}
}

// seen gives the host's pids of members that say theirs.
func (w *world) seen(id kmod.ID, inside ...int) []int {
	members, err := w.k.Processes(id)
	w.Must("list members", err)
	var found []int
	for _, pid := range inside {
		host := seenAs(members, pid)
		if host == 0 {
			w.Fatalf("process %d of the cell is not among its members %v", pid, members)
		}
		found = append(found, host)
	}
	return found
}
