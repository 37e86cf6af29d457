package runtime

// pause and resume.

import (
	"strconv"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// paused makes a container that is paused.
func paused(t *t, mods ...mod) *h.Container {
	c := t.Running(append([]mod{h.Idle}, mods...)...)
	t.OK("pause", c.ID)
	return c
}

var pauses = []h.Case{
	{
		Name: "pause/status", Clause: "containerd, podman: pause and resume",
		Does: "the status is paused, and running again after resume", Run: func(t *t) {
			c := paused(t)
			if s := c.State(); s.Status != "paused" || s.Pid == 0 {
				t.Errorf("the state of a paused container is %+v", s)
			}
			t.OK("resume", c.ID)
			if s := c.State().Status; s != "running" {
				t.Errorf("after resume the status is %q", s)
			}
		},
	},
	{
		Name: "pause/stands-still", Clause: "containerd, podman: pause and resume",
		Does: "a paused program does nothing, not even handle a signal, until resume", Run: func(t *t) {
			c := paused(t)
			c.Kill("USR1")
			handled := func() bool { _, ok := c.Lines().Find("signal"); return ok }
			t.Never(handled, "the program handled a signal while paused")
			t.OK("resume", c.ID)
			c.WaitLine("signal")
		},
	},
	{
		Name: "pause/all-processes", Clause: "containerd, podman: pause and resume",
		Does: "the other processes of the container stand still too", Run: func(t *t) {
			c := t.Running(h.Idle)
			pidFile := t.Path("pid")
			p := t.Begin(call{Args: []string{"exec", "--pid-file", pidFile, c.ID, h.ProbePath, "signals"}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") && h.Exists(pidFile) }, "the second process is not ready")
			pid, err := strconv.Atoi(t.ReadFile(pidFile))
			t.Must("read pid", err)
			t.OK("pause", c.ID)
			t.Must("signal the process", syscall.Kill(pid, syscall.SIGUSR1))
			handled := func() bool { return strings.Contains(p.Output(), "SIGUSR1") }
			t.Never(handled, "the second process handled a signal while paused")
			t.OK("resume", c.ID)
			t.Eventually(handled, "the second process does not go on")
			c.Stop()
			t.OK("delete", "--force", c.ID)
			p.Wait()
		},
	},
	{
		Name: "pause/exec", Clause: "containerd: exec in a paused container",
		Does: "exec in a paused container is an error, and not a hang", Run: func(t *t) {
			c := paused(t)
			t.Refused("exec", c.ID, h.ProbePath, "mark", "ran")
		},
	},
	{
		Name: "pause/kill", Clause: "containerd, podman: kill of a paused container",
		Does: "SIGKILL ends a paused container", Run: func(t *t) {
			c := paused(t)
			c.Kill("KILL")
			c.WaitStatus("stopped")
			c.Delete()
		},
	},
	{
		Name: "pause/delete", Clause: "runtime.md Delete",
		Does: "delete refuses a paused container", Run: func(t *t) {
			c := paused(t)
			t.Refused("delete", c.ID)
			if s := c.State().Status; s != "paused" {
				t.Errorf("after the refused delete the status is %q", s)
			}
		},
	},
	{
		Name: "pause/delete-force", Clause: "containerd, podman: delete --force",
		Does: "delete --force ends and removes a paused container", Run: func(t *t) {
			c := paused(t)
			t.OK("delete", "--force", c.ID)
			c.Gone()
		},
	},
	{
		Name: "pause/twice", Clause: "runc command line: pause",
		Does: "pause of a paused container is an error, and it stays paused", Run: func(t *t) {
			c := paused(t)
			t.Refused("pause", c.ID)
			if s := c.State().Status; s != "paused" {
				t.Errorf("the status is %q", s)
			}
		},
	},
	{
		Name: "pause/not-running", Clause: "runc command line: pause, resume",
		Does: "pause of a stopped or unknown container, and resume of a running one, are errors", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("resume", c.ID)
			c.Stop()
			t.Refused("pause", c.ID)
			t.Refused("pause", t.ID())
		},
	},
}

// own skips a case on runtimes that lack a command of runcell's.
func own(t *t, command string) {
	if !strings.HasPrefix(t.Target.Name, "runcell") {
		t.Skipf("%s is runcell's own command", command)
	}
}

var waits = []h.Case{
	{
		Name: "wait/status", Clause: "runcell(8): wait",
		Does: "wait returns when the program ends, prints its status and exits with it", Run: func(t *t) {
			own(t, "wait")
			c := t.Running(h.Do("trap", "42"))
			p := t.Begin(call{Args: []string{"wait", c.ID}})
			time.Sleep(100 * time.Millisecond)
			if p.Done() {
				t.Errorf("wait did not wait")
			}
			c.Kill("TERM")
			if r := p.Wait(); r.Code != 42 || r.Stdout != "42\n" {
				t.Errorf("want 42: %s", r)
			}
		},
	},
	{
		Name: "wait/signal", Clause: "runcell(8): wait",
		Does: "the status of a program that a signal ended is 128+n", Run: func(t *t) {
			own(t, "wait")
			c := t.Running(h.Idle)
			p := t.Begin(call{Args: []string{"wait", c.ID}})
			time.Sleep(500 * time.Millisecond)
			c.Kill("KILL")
			if r := p.Wait(); r.Code != 137 || r.Stdout != "137\n" {
				t.Errorf("want 137: %s", r)
			}
		},
	},
	{
		Name: "wait/after-exit", Clause: "runcell(8): wait", OS: netbsd,
		Else: "on Linux the status is the parent's to collect, and the emulator sees it only while it waits",
		Does: "the status is kept until delete, and may be asked for by many", Run: func(t *t) {
			c := t.Create(h.Do("exit", "7"))
			c.Start()
			c.WaitStatus("stopped")
			for range 2 {
				if r := t.Try("wait", c.ID); r.Code != 7 || r.Stdout != "7\n" {
					t.Errorf("want 7: %s", r)
				}
			}
		},
	},
	{
		Name: "wait/unknown-id", Clause: "runcell(8): wait",
		Does: "wait for a container that does not exist is an error", Run: func(t *t) { t.Refused("wait", t.ID()) },
	},
}

var recovers = []h.Case{
	{
		Name: "recover/killed-create", Clause: "runcell(8): recover", Timeout: 120 * time.Second,
		Does: "what a create left that was killed at any time is removed", Run: func(t *t) {
			own(t, "recover")
			b := t.Bundle(h.Idle, h.Tmpfs("/mnt"))
			for _, after := range []int{2, 5, 10, 20, 40, 80, 160} {
				id := t.ID()
				p := t.Begin(call{Args: []string{"create", "--bundle", b.Dir, id}})
				time.Sleep(time.Duration(after) * time.Millisecond)
				p.Signal(9)
				p.Wait()
				t.OK("recover")
				if t.Try("state", id).Code == 0 {
					t.OK("delete", "--force", id) // it was finished
				}
				if left := stateOf(t, id); len(left) > 0 {
					t.Errorf("killed after %d ms: left %q", after, left)
				}
				if left := t.NewMounts(); len(left) > 0 {
					t.Errorf("left mounts: %q", left)
				}
			}
		},
	},
	{
		Name: "recover/leaves-the-rest", Clause: "runcell(8): recover",
		Does: "created, running, paused and stopped containers are left alone", Run: func(t *t) {
			own(t, "recover")
			created, running, stopped := t.Create(h.Idle), t.Running(h.Idle), t.Running(h.Idle)
			stopped.Stop()
			still := paused(t)
			if r := t.OK("recover"); r.Stdout != "" {
				t.Errorf("recover removed: %s", r)
			}
			for c, want := range map[*h.Container]string{created: "created", running: "running", stopped: "stopped", still: "paused"} {
				if s := c.State().Status; s != want {
					t.Errorf("a %s container is %s", want, s)
				}
			}
		},
	},
	{
		Name: "recover/id-free", Clause: "runcell(8): recover", Timeout: 60 * time.Second,
		Does: "the id of a create that was killed can be used at once", Run: func(t *t) {
			own(t, "recover")
			b := t.Bundle(h.Idle)
			for _, after := range []int{3, 30} {
				id := t.ID()
				p := t.Begin(call{Args: []string{"create", "--bundle", b.Dir, id}})
				time.Sleep(time.Duration(after) * time.Millisecond)
				p.Signal(9)
				p.Wait()
				if t.Try("state", id).Code != 0 || !strings.Contains(t.Try("state", id).Stdout, `"created"`) {
					t.OK("create", "--bundle", b.Dir, id)
				}
				t.OK("delete", "--force", id)
			}
		},
	},
}
