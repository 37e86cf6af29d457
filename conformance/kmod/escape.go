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
)

// deaf are settings that overlook what is written to them, on the host too.
var deaf = []string{"kern.file", "kern.pool", "vfs.namecache_stats", "kern.pset.list", "kern.bufq.strategies"}

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
