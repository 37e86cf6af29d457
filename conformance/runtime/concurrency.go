package runtime

// Several callers at once.

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

var concurrency = []h.Case{
	{
		Name: "concurrency/twenty-lives", Clause: "runtime.md Operations", Timeout: 90 * time.Second,
		Does: "twenty containers live their lives at the same time", Run: func(t *t) {
			parallel(20, func(i int) {
				c := t.Create(h.Do("mark", fmt.Sprint(i), ";", "exit", "0"))
				c.Start()
				c.WaitStatus("stopped")
				if line, ok := c.Lines().Find("mark"); !ok || line.Args[0] != fmt.Sprint(i) {
					t.Errorf("container %d printed %q", i, c.Output())
				}
				c.Delete()
			})
		},
	},
	{
		Name: "concurrency/cycles", Clause: "runtime.md Lifecycle", Timeout: 5 * time.Minute,
		Does: "fifty times create, start, kill and delete, four at a time, leave nothing", Run: func(t *t) {
			var next atomic.Int32
			b := t.Bundle(h.Idle, h.Tmpfs("/mnt"))
			parallel(4, func(int) {
				for next.Add(1) <= 50 {
					c := t.CreateFrom(b)
					c.Start()
					c.Kill("KILL")
					t.OK("delete", "--force", c.ID)
				}
			})
		},
	},
	{
		Name: "concurrency/same-id", Clause: "runtime.md Create", Timeout: 60 * time.Second,
		Does: "of eight creates with one id exactly one succeeds", Run: func(t *t) {
			id := t.ID()
			var made atomic.Int32
			bundles := make([]*h.Bundle, 8)
			for i := range bundles {
				bundles[i] = t.Bundle(h.Idle)
			}
			parallel(8, func(i int) {
				if t.Try("create", "--bundle", bundles[i].Dir, id).Code == 0 {
					made.Add(1)
				}
			})
			if n := made.Load(); n != 1 {
				t.Errorf("%d creates succeeded", n)
			}
			t.OK("start", id)
			t.OK("kill", id, "KILL")
		},
	},
	{
		Name: "concurrency/starts", Clause: "runtime.md Start",
		Does: "of eight starts exactly one succeeds, and the program runs once", Run: func(t *t) {
			c := t.Create(h.Idle)
			var started atomic.Int32
			parallel(8, func(int) {
				if t.Try("start", c.ID).Code == 0 {
					started.Add(1)
				}
			})
			c.WaitLine("ready")
			if n, ran := started.Load(), strings.Count(c.Output(), `"ready"`); n != 1 || ran != 1 {
				t.Errorf("%d starts succeeded, the program ran %d times", n, ran)
			}
		},
	},
	{
		Name: "concurrency/deletes", Clause: "containerd: delete --force",
		Does: "eight delete --force of one container all succeed", Run: func(t *t) {
			c := t.Running(h.Idle)
			parallel(8, func(int) {
				if r := t.Try("delete", "--force", c.ID); r.Code != 0 {
					t.Errorf("want success: %s", r)
				}
			})
			c.Gone()
		},
	},
	{
		Name: "concurrency/state", Clause: "runtime.md Query State", Timeout: 60 * time.Second,
		Does: "state never prints half a state while the container goes through its life", Run: func(t *t) {
			c := t.Create(h.Do("exit", "0"))
			var over atomic.Bool
			var watchers sync.WaitGroup
			for range 3 {
				watchers.Go(func() {
					for !over.Load() {
						if s := c.State().Status; s != "created" && s != "running" && s != "stopped" {
							t.Errorf("status is %q", s)
						}
					}
				})
			}
			time.Sleep(20 * time.Millisecond)
			c.Start()
			c.WaitStatus("stopped")
			over.Store(true)
			watchers.Wait()
		},
	},
	{
		Name: "concurrency/list", Clause: "containerd: list --format=json", Timeout: 60 * time.Second,
		Does: "list succeeds while containers come and go", Run: func(t *t) {
			var over atomic.Bool
			var watcher sync.WaitGroup
			watcher.Go(func() {
				for !over.Load() {
					if r := t.Try("list", "--format", "json"); r.Code != 0 {
						t.Errorf("want success: %s", r)
					}
				}
			})
			parallel(4, func(int) { t.Create(h.Idle).Delete() })
			over.Store(true)
			watcher.Wait()
		},
	},
	{
		Name: "concurrency/execs", Clause: "containerd, podman: exec", Timeout: 60 * time.Second,
		Does: "eight execs in one container all give their own status", Run: func(t *t) {
			c := t.Running(h.Idle)
			parallel(8, func(i int) {
				if r := t.Try("exec", c.ID, h.ProbePath, "exit", fmt.Sprint(i)); r.Code != i {
					t.Errorf("want exit status %d: %s", i, r)
				}
			})
		},
	},
}
