package runtime

// The order of things in a container's life.

import (
	"os"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

var lifecycle = []h.Case{
	{
		Name: "lifecycle/create-runs-nothing", Clause: "runtime.md Lifecycle, step 2",
		Does: "create does not run the user's program", Run: func(t *t) {
			c := t.Create(h.Do("mark", "ran"))
			t.Never(func() bool { return c.Output() != "" }, "the program ran at create: %q", c.Output())
			if s := c.State().Status; s != "created" {
				t.Errorf("status after create is %q, want created", s)
			}
		},
	},
	{
		Name: "lifecycle/start-runs", Clause: "runtime.md Start",
		Does: "start runs the user's program", Run: func(t *t) {
			c := t.Create(h.Do("mark", "ran"))
			c.Start()
			t.Succeeds(c.Wait(), "mark", "ran")
		},
	},
	{
		Name: "lifecycle/statuses", Clause: "runtime.md State",
		Does: "the status goes from created to running to stopped", Run: func(t *t) {
			c := t.Create(h.Idle)
			for _, step := range []struct {
				want string
				next func()
			}{{"created", c.Start}, {"running", c.Stop}, {"stopped", c.Delete}} {
				if s := c.State().Status; s != step.want {
					t.Errorf("status is %q, want %q", s, step.want)
				}
				step.next()
			}
			c.Gone()
		},
	},
	{
		Name: "lifecycle/config-fixed-at-create", Clause: "runtime.md Create",
		Does: "a change of config.json after create has no effect", Run: func(t *t) {
			c := t.Create(h.Do("mark", "old"))
			h.Do("mark", "new")(c.Bundle.Spec)
			c.Bundle.Write()
			c.Start()
			t.Succeeds(c.Wait(), "mark", "old")
		},
	},
	{
		Name: "lifecycle/config-gone-after-create", Clause: "runtime.md Create",
		Does: "start, state, kill and delete do without config.json", Run: func(t *t) {
			c := t.Create(h.Idle)
			t.Must("remove config", os.Remove(c.Bundle.File("config.json")))
			c.Start()
			c.WaitLine("ready")
			c.Stop()
			c.Delete()
		},
	},
	{
		Name: "lifecycle/stopped-by-itself", Clause: "runtime.md Lifecycle, step 10",
		Does: "a container whose process has exited is stopped, until delete", Run: func(t *t) {
			c := t.Create(h.Do("exit", "7"))
			c.Start()
			c.WaitStatus("stopped")
			c.Delete()
			c.Gone()
		},
	},
	{
		Name: "lifecycle/id-free-after-delete", Clause: "runtime.md Delete",
		Does: "the id of a deleted container can be used again", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			for range 2 {
				t.OK("create", "--bundle", b.Dir, id)
				t.OK("kill", id, "KILL")
				t.OK("delete", "--force", id)
			}
		},
	},
	{
		Name: "lifecycle/exit-status-to-subreaper", Clause: "containerd, conmon: exit status", OS: linux, Else: "NetBSD has no subreaper: the kernel module keeps the status for `runcell wait`, see wait/",
		Does: "the process becomes the subreaper's child, which gets its exit status", Run: func(t *t) {
			c := t.Create(h.Do("exit", "42"))
			pid := c.State().Pid
			c.Start()
			if code := t.ExitStatus(pid); code != 42 {
				t.Errorf("the subreaper got status %d, want 42", code)
			}
		},
	},
	{
		Name: "lifecycle/signal-status-to-subreaper", Clause: "containerd, conmon: exit status", OS: linux, Else: "NetBSD has no subreaper: the kernel module keeps the status for `runcell wait`, see wait/",
		Does: "the subreaper sees which signal ended the process", Run: func(t *t) {
			c := t.Running(h.Idle)
			pid := c.State().Pid
			c.Kill("KILL")
			if code := t.ExitStatus(pid); code != 128+9 {
				t.Errorf("the subreaper got status %d, want 137", code)
			}
		},
	},
	{
		Name: "lifecycle/nothing-resident", Clause: "containerd, conmon: no daemon", OS: linux, Else: "it finds the processes by a subreaper, which NetBSD lacks",
		Does: "after create nothing runs but the container's process", Run: func(t *t) {
			c := t.Running(h.Idle)
			if left := t.Resident(); len(left) != 1 || !strings.HasPrefix(left[0], h.ProbePath) {
				t.Errorf("processes: %q, want only the container's", left)
			}
			c.Stop()
		},
	},
	{
		Name: "start/no-id", Clause: "runtime.md Start",
		Does: "start without an id is an error", Run: func(t *t) { t.Refused("start") },
	},
	{
		Name: "start/unknown-id", Clause: "runtime.md Start",
		Does: "start of a container that does not exist is an error", Run: func(t *t) { t.Refused("start", t.ID()) },
	},
	{
		Name: "start/running", Clause: "runtime.md Start",
		Does: "a second start is an error and has no effect", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("start", c.ID)
			if s := c.State().Status; s != "running" {
				t.Errorf("status after the refused start is %q", s)
			}
			if n := strings.Count(c.Output(), `"ready"`); n != 1 {
				t.Errorf("the program ran %d times", n)
			}
		},
	},
	{
		Name: "start/stopped", Clause: "runtime.md Start",
		Does: "start of a stopped container is an error", Run: func(t *t) {
			c := t.Create(h.Do("mark", "ran"))
			c.Start()
			c.WaitStatus("stopped")
			t.Refused("start", c.ID)
			time.Sleep(50 * time.Millisecond)
			if n := strings.Count(c.Output(), `"mark"`); n != 1 {
				t.Errorf("the program ran %d times", n)
			}
		},
	},
	{
		Name: "start/init-killed", Clause: "runtime.md Start",
		Does: "start of a container killed before its start is an error, not a hang", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Stop()
			t.Refused("start", c.ID)
		},
	},
	{
		Name: "start/no-process", Clause: "runtime.md Start",
		Does: "without process, create or start is an error", Run: func(t *t) {
			b := t.Bundle()
			b.Spec.Process = nil
			b.Write()
			id := t.ID()
			if r := t.Try("create", "--bundle", b.Dir, id); r.Code != 0 {
				t.CheckRefused(r)
				return
			}
			t.Refused("start", id)
		},
	},
}
