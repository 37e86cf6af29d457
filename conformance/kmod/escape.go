package kmod

// Ways out of a cell that lead through the kernel's own objects: what a cell
// shares with everybody, and what an image can bring along.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// deaf are settings that overlook what is written to them, on the host too.
var deaf = []string{"kern.file", "kern.hashstat", "kern.pool", "vfs.namecache_stats", "kern.pset.list", "kern.bufq.strategies"}

var escapes = []harness.Case{
	{
		Name: "escape/revoke", Clause: "class vnode.revoke", Does: "no cell takes /dev/null or its root directory from others by revoke(2)", OS: netbsd,
		Run: in(func(w *world) {
			held, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
			w.Must("open /dev/null", err)
			defer func() { _ = held.Close() }()
			id := w.cell(w.high(nil))
			for _, uid := range []int{0, 1000} {
				m := w.agent(id, entry{uid: uid})
				for _, name := range []string{"", "/dev/null", "/"} {
					m.want("EACCES", "revoke", name)
				}
			}
			if _, err := held.Write([]byte("x")); err != nil {
				w.Errorf("/dev/null that the host has open: %v", err)
			}
		}),
	},
	{
		Name: "escape/newcomer", Clause: "class process.ptrace.other_cell", Does: "who has entered and executed nothing yet holds the host's memory: nobody looks into it", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m, x := w.agent(id, entry{}), w.waiter(id)
			w.withProc()
			for _, op := range []string{"ptrace", "memory"} {
				w.refused(m, op, decimal(x.pid))
			}
			m.try("ktrace", decimal(x.pid))
			if agent.Traced(x.pid) {
				w.Errorf("a member traces the system calls of newcomer %d", x.pid)
			}
			// Its own child, forked in the cell by a program of the cell, is another thing.
			m.want("ok", "ptrace", decimal(m.must("fork", "1").Pids[0]))
		}),
	},
	{
		Name: "escape/newcomer-file", Clause: "class process.cansee.other_cell", Does: "a newcomer is in no list, and its program and open files are out of reach", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m, x := w.agent(id, entry{}), w.waiter(id)
			w.withProc()
			if slices.Contains(m.must("procs").Pids, x.pid) {
				w.Errorf("a member sees newcomer %d", x.pid)
			}
			for _, file := range []string{"", "/file", "/exe", "/fd/0", "/fd", "/map", "/cwd"} {
				path := "/proc/" + decimal(x.pid) + file
				// Of the directory itself procfs says that it is done, and does nothing.
				if r := m.try("chmod", path); r.Errno == "" && file != "" {
					w.Errorf("a member changes the mode of %s", path)
				}
				if r := m.try("open", path, "r"); r.Errno == "" {
					w.Errorf("a member opens %s", path)
				}
			}
			if r := m.try("open", "/proc/"+decimal(m.pidInside())+"/file", "r"); r.Errno != "" {
				w.Errorf("a member opens its own program: %s", r.Result())
			}
		}),
	},
	{
		Name: "escape/newcomer-signal", Clause: "class process.signal.other_cell", Does: "a newcomer can't be stopped by the cell's root, nor signalled in any way but SIGKILL", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m, x := w.agent(id, entry{}), w.waiter(id)
			for _, sig := range []string{"0", "STOP", "CONT", "TERM", "HUP"} {
				w.refused(m, "kill", decimal(x.pid), sig)
			}
			w.refused(m, "nice", decimal(x.pid), "5")
			m.want("ok", "kill", decimal(x.pid), "KILL")
			if ws := w.reap(x.pid); !ws.Signaled() || ws.Signal() != unix.SIGKILL {
				w.Errorf("the newcomer ended with status %#x; want SIGKILL", int(ws))
			}
		}),
	},
	{
		Name: "escape/trace-group", Clause: "class process.ktrace", Does: "tracing a group with an ended process in it is no danger to the kernel", OS: netbsd,
		Run: in(func(w *world) { each(w, "tracegroup") }),
	},
	{
		Name: "escape/schedule-storm", Clause: "class process.scheduler_setparam", Does: "nor is changing the scheduling of processes, again and again", OS: netbsd,
		Run: in(func(w *world) { each(w, "schedstorm") }),
	},
	{
		Name: "escape/clock-race", Clause: "class process.ptrace", Does: "nor is reading the clock of a process that ends", OS: netbsd,
		Run: in(func(w *world) { each(w, "clockrace") }),
	},
	{
		Name: "escape/cleaner", Clause: "nothing in a cell panics the kernel", Does: "no member is LFS's cleaner", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for _, uid := range []int{1000, 0} {
				w.agent(id, entry{uid: uid}).want("ENOSYS", "cleaner")
			}
		}),
	},
	{
		Name: "escape/console", Clause: "class vnode.read_data.ioctl", Does: "no terminal of a cell becomes the host's console", OS: netbsd,
		Run: in(func(w *world) {
			w.withPts()
			w.Must("make a console", copyNode("/dev/null", filepath.Join(w.root, "dev/console")))
			w.Must("open it to all", os.Chmod(filepath.Join(w.root, "dev/console"), 0o666))
			id := w.cell(w.high(nil))
			for _, uid := range []int{0, 1000} {
				w.refused(w.agent(id, entry{uid: uid}), "console")
			}
		}),
	},
	{
		Name: "escape/messages", Clause: "kern.msgbuf", Does: "a cell reads no messages of the kernel; a user of the host does", OS: netbsd,
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.spec(policy.Low)), entry{})
			m.want("EPERM", "messages")
			m.wantAs(1000, "EPERM", "messages")
			if w.onHost(1000).must("messages").Size == 0 {
				w.Errorf("the host's messages are empty")
			}
		}),
	},
	{
		Name: "escape/fpregs", Clause: "class process.procfs.fpregs", Does: "the floating point registers in procfs are closed at every profile", OS: netbsd,
		Run: in(func(w *world) {
			w.withProc()
			for _, p := range policy.Profiles {
				m := w.agent(w.cell(w.spec(p)), entry{})
				w.refused(m, "read", "/proc/"+decimal(m.must("fork", "1").Pids[0])+"/fpregs")
			}
		}),
	},
	{
		Name: "escape/settings", Clause: "class system.sysctl.modify", Does: "a cell's root can write no kernel setting but its own process's, whichever it is", OS: netbsd,
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			r := m.must("settings")
			written := slices.DeleteFunc(strings.Fields(r.Text), func(name string) bool {
				return strings.HasPrefix(name, "proc.curproc.") || slices.Contains(deaf, name)
			})
			if r.Size < 100 || len(written) > 0 {
				w.Errorf("of %d settings a cell's root wrote %q; want none", r.Size, written)
			}
		}),
	},
	{
		Name: "escape/terminal-node", Clause: "class device.rawio_spec.rw.ordinary", Does: "a node with a terminal's number is none of the cell's, unless it is in a ptyfs", OS: netbsd,
		Run: in(func(w *world) {
			w.withPts()
			name := w.agent(w.cell(w.high(nil)), entry{}).must("terminal").Text
			w.Must("make node", copyNode(filepath.Join(w.root, name), filepath.Join(w.root, "tmp/terminal")))
			for _, p := range policy.Profiles {
				m := w.agent(w.cell(w.spec(p)), entry{})
				want := "EPERM"
				if policy.Defaults(p).Has(policy.RawDevice) {
					want = "ok"
				}
				m.want(want, "open", "/tmp/terminal", "rw")
				m.want("ok", "open", name, "rw")
			}
		}),
	},
}

// each lets root in a cell, another user in it, and a user of the host do
// something that all of them may try.
func each(w *world, op string) {
	id := w.cell(w.high(nil))
	for _, m := range []*member{w.agent(id, entry{}), w.agent(id, entry{uid: 1000}), w.onHost(1000)} {
		m.want("ok", op)
	}
}
