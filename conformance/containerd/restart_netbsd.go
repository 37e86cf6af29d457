package containerd

// What is killed under living containers.

import (
	"syscall"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// killShims ends every shim as a crash does.
func killShims(t *t) {
	pids := shims()
	if len(pids) == 0 {
		t.Fatalf("there is no shim to kill")
	}
	for _, pid := range pids {
		t.Must("kill shim", syscall.Kill(pid, syscall.SIGKILL))
	}
	eventually(t, func() bool { return len(shims()) == 0 }, "the shims do not end")
}

var restarts = []h.Case{
	{
		Name: "restart/containerd", Clause: "ctr tasks ls, exec, kill",
		Does: "containers live on while containerd is killed or stopped, and it finds them again", Run: func(t *t) {
			d := with(t)
			d.running("web")
			for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				d.stop(s)
				if len(shims()) != 1 {
					t.Fatalf("after %v there are shims %v; want one", s, shims())
				}
				d.start()
				d.status("web", "RUNNING")
				id := "after-" + s.String()[:4]
				said(t, d.ctr("tasks", "exec", "--exec-id", id, "web", h.ProbePath, "say", "alive"), 0, "alive")
			}
			d.remove("web")
		},
	},
	{
		Name: "restart/shim-killed", Clause: "ctr tasks ls", Does: "a shim that is killed takes its cell, its mounts and its record with it", Run: func(t *t) {
			d := with(t)
			d.running("web")
			killShims(t)
			d.status("web", "none") // containerd has run the shim's delete
			eventually(t, func() bool { return d.runcell("list", "--quiet").Stdout == "" }, "the cell is still there")
			d.ok("containers", "rm", "web")
		},
	},
	{
		Name: "restart/both-killed", Clause: "ctr tasks ls", Does: "a containerd that starts after it and its shims were killed cleans up", Run: func(t *t) {
			d := with(t)
			d.running("web")
			d.stop(syscall.SIGKILL)
			killShims(t)
			d.start()
			d.status("web", "none")
			eventually(t, func() bool { return d.runcell("list", "--quiet").Stdout == "" }, "the cell is still there")
			d.ok("containers", "rm", "web")
			said(t, d.run("next", "say", "hello"), 0, "hello")
		},
	},
}
