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
		Name: "restart/group", Clause: "ctr run -d --annotation io.kubernetes.cri.sandbox-id",
		Does: "the containers of a group share a shim: all outlive containerd, end with the shim, and can be started again", Run: func(t *t) {
			d := with(t)
			group := []string{"pod-a", "pod-b"}
			alive := func(when string) {
				for _, id := range group {
					d.status(id, "RUNNING")
					said(t, d.ctr("tasks", "exec", "--exec-id", when, id, h.ProbePath, "say", "alive in "+id), 0, "alive in "+id)
				}
				if len(shims()) != 1 {
					t.Fatalf("%s: shims %v; want one", when, shims())
				}
			}
			for _, id := range group {
				d.ok("run", "-d", "--annotation", "io.kubernetes.cri.sandbox-id=pod", image, id, h.ProbePath, "sleep", "1000s")
			}
			alive("first")
			d.stop(syscall.SIGKILL)
			d.start()
			alive("again")
			pids := []int{d.pid(group[0]), d.pid(group[1])}
			killShims(t)
			for i, id := range group {
				d.status(id, "none")
				gone(t, pids[i])
			}
			eventually(t, func() bool { return d.runcell("list", "--quiet").Stdout == "" }, "a cell is still there")
			for _, id := range group {
				d.ok("tasks", "start", "-d", id)
			}
			alive("anew")
			d.remove(group[0])
			group = group[1:]
			alive("alone")
			d.remove(group[0])
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
