package runtime

// kill and delete.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// notRunning are the texts by which containerd tells that a process is gone.
var notRunning = []string{"container not running", "no such process", "os: process already finished", "does not exist"}

func checkText(t *t, r h.CmdResult, texts ...string) {
	for _, text := range texts {
		if strings.Contains(strings.ToLower(r.Stderr), text) {
			return
		}
	}
	t.Errorf("want one of %q in the message: %s", texts, r)
}

var kill = append(killSignals(), []h.Case{
	{
		Name: "kill/default-is-term", Clause: "buildah: kill NAME",
		Does: "kill without a signal sends SIGTERM", Run: func(t *t) {
			c := t.Running(h.Do("trap", "0"))
			c.Kill()
			if got := c.WaitLine("signal").Text; got != "SIGTERM" {
				t.Errorf("the process got %s", got)
			}
		},
	},
	{
		Name: "kill/no-id", Clause: "runtime.md Kill",
		Does: "kill without an id is an error", Run: func(t *t) { t.Refused("kill") },
	},
	{
		Name: "kill/unknown-id", Clause: "runtime.md Kill; containerd: no such container",
		Does: "kill of a container that does not exist is an error", Run: func(t *t) {
			checkText(t, t.Refused("kill", t.ID(), "TERM"), "does not exist")
		},
	},
	{
		Name: "kill/unknown-signal", Clause: "runtime.md Kill",
		Does: "an unknown signal is an error and has no effect", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("kill", c.ID, "NOSUCH")
			t.Refused("kill", c.ID, "SIG")
			if _, got := c.Lines().Find("signal"); got || c.State().Status != "running" {
				t.Errorf("the process got a signal: %q", c.Output())
			}
		},
	},
	{
		Name: "kill/stopped", Clause: "runtime.md Kill",
		Does: "kill of a stopped container is an error", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			t.Refused("kill", c.ID, "TERM")
		},
	},
	{
		Name: "kill/stopped-text", Clause: "containerd: kill errors",
		Does: "the error says that the container is not running, in words that containerd knows", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			checkText(t, t.Refused("kill", c.ID, "KILL"), notRunning...)
		},
	},
	{
		Name: "kill/all-stopped", Clause: "runc, crun: kill --all of a stopped container",
		Does: "kill --all of a stopped container is no error: nobody is left", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			t.OK("kill", "--all", c.ID, "TERM")
		},
	},
	{
		Name: "kill/created", Clause: "runtime.md Kill",
		Does: "a created container can be killed", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Stop()
			if c.Output() != "" {
				t.Errorf("the program ran: %q", c.Output())
			}
			c.Delete()
		},
	},
	{
		Name: "kill/created-usr1", Clause: "runtime.md Kill; peers", OS: linux, Else: "NetBSD shields no process: the signal's default action ends it",
		Does: "a signal that asks nobody to end leaves a created container as it is", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Kill("USR1")
			t.Never(func() bool { return c.State().Status != "created" }, "the container is not created any more")
			c.Start()
			c.WaitLine("ready")
		},
	},
	{
		Name: "kill/one-process", Clause: "runtime.md Kill",
		Does: "without --all only the container's process gets the signal", Run: func(t *t) {
			c := t.Running(h.Do("children", "1", ";", "signals"))
			c.Kill("USR1")
			c.WaitLine("signal")
			t.Never(func() bool { return c.State().Status != "running" }, "the container stopped")
		},
	},
	{
		Name: "kill/all", Clause: "containerd: kill --all ID 9",
		Does: "kill --all ends every process, in other sessions too", Run: func(t *t) {
			c := t.Running(h.Do("children", "3", ";", "signals"))
			t.OK("kill", "--all", c.ID, "9")
			c.WaitStatus("stopped")
			c.Delete()
		},
	},
	{
		Name: "kill/all-short", Clause: "CRI-O: kill -a ID N",
		Does: "-a is --all", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.OK("kill", "-a", c.ID, "9")
			c.WaitStatus("stopped")
		},
	},
	{
		Name: "kill/children-die-with-init", Clause: "config-linux.md Namespaces, pid",
		Does: "when the container's process is killed no other is left", Run: func(t *t) {
			c := t.Running(h.Do("children", "3", ";", "signals"))
			c.Stop()
			c.Delete()
		},
	},
}...)

// killSignals are the ways to name a signal.
func killSignals() []h.Case {
	var cases []h.Case
	for _, s := range []struct{ name, arg, want, clause string }{
		{"by-name", "SIGTERM", "SIGTERM", "runtime.md Kill"},
		{"by-short-name", "TERM", "SIGTERM", "runtime-tools: kill ID TERM"},
		{"by-number", h.SignalNumber("SIGTERM"), "SIGTERM", "containerd: kill ID NUMBER"},
		{"user-signal", "SIGUSR1", "SIGUSR1", "runtime.md Kill"},
		{"user-signal-number", h.SignalNumber("SIGUSR2"), "SIGUSR2", "containerd: kill ID NUMBER"},
		{"winch", "WINCH", "SIGWINCH", "runtime.md Kill"},
	} {
		cases = append(cases, h.Case{
			Name: "kill/" + s.name, Clause: s.clause, Does: fmt.Sprintf("kill sends %s (%s)", s.want, s.name),
			Run: func(t *t) {
				c := t.Running(h.Do("trap", "0"))
				c.Kill(s.arg)
				if got := c.WaitLine("signal").Text; got != s.want {
					t.Errorf("the process got %s, want %s", got, s.want)
				}
			},
		})
	}
	return cases
}

var deletes = []h.Case{
	{
		Name: "delete/no-id", Clause: "runtime.md Delete",
		Does: "delete without an id is an error", Run: func(t *t) { t.Refused("delete") },
	},
	{
		Name: "delete/unknown-id", Clause: "runtime.md Delete; containerd: \"does not exist\"",
		Does: "delete of a container that does not exist is an error that says so", Run: func(t *t) {
			checkText(t, t.Refused("delete", t.ID()), "does not exist")
		},
	},
	{
		Name: "delete/running", Clause: "runtime.md Delete",
		Does: "delete of a running container is an error and has no effect", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("delete", c.ID)
			if s := c.State().Status; s != "running" {
				t.Errorf("status is %s", s)
			}
			c.Kill("USR1")
			c.WaitLine("signal")
		},
	},
	{
		Name: "delete/created", Clause: "runc command line, runtime-tools: delete of a created container",
		Does: "delete of a created container kills and deletes it", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Delete()
			c.Gone()
		},
	},
	{
		Name: "delete/twice", Clause: "runtime.md Delete",
		Does: "a second delete is an error", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Stop()
			c.Delete()
			t.Refused("delete", c.ID)
		},
	},
	{
		Name: "delete/force-running", Clause: "containerd, podman: delete --force",
		Does: "delete --force kills and deletes a running container", Run: func(t *t) {
			c := t.Running(h.Do("children", "2", ";", "signals"))
			t.OK("delete", "--force", c.ID)
			c.Gone()
		},
	},
	{
		Name: "delete/force-unknown-id", Clause: "containerd: delete --force",
		Does: "delete --force of a container that does not exist succeeds", Run: func(t *t) { t.OK("delete", "--force", t.ID()) },
	},
	{
		Name: "delete/then-force", Clause: "containerd: delete, then delete --force",
		Does: "both succeed", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			c.Delete()
			t.OK("delete", "--force", c.ID)
		},
	},
	{
		Name: "delete/removes-state", Clause: "runtime.md Delete",
		Does: "nothing of the container is left in the state directory", Run: func(t *t) {
			c := t.Running(h.Idle)
			c.Stop()
			c.Delete()
			if left := stateOf(t, c.ID); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		},
	},
	{
		Name: "delete/keeps-volumes", Clause: "runtime.md Delete",
		Does: "what the container mounted but did not make is kept", Run: func(t *t) {
			volume := t.MkdirAll("volume")
			t.WriteFile("precious", "volume", "file")
			c := t.Create(h.Idle, h.Bind(volume, "/mnt", "rw"))
			c.Start()
			c.WaitLine("ready")
			t.OK("delete", "--force", c.ID)
			if got := t.ReadFile(filepath.Join(volume, "file")); got != "precious" {
				t.Errorf("the volume's file is %q", got)
			}
			if !h.Exists(c.Bundle.RootFS(h.ProbePath)) {
				t.Errorf("the root filesystem is gone")
			}
		},
	},
	{
		Name: "delete/bundle-gone", Clause: "containerd: delete --force always succeeds", OS: linux,
		Else: "NetBSD finds a mount by its path: who removes the directories that the cell's mounts lie on keeps them from being unmounted",
		Does: "delete works when the bundle has been removed", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Stop()
			t.Must("remove bundle", os.RemoveAll(c.Bundle.Dir))
			c.Delete()
		},
	},
	{
		Name: "delete/reused-pid", Clause: "peer defect: liveness open to pid reuse", OS: linux, Else: "NetBSD lets nobody choose a pid; a unit test gives a start time that is not the process's",
		Does: "a process that got the pid of a dead container is left alone", Run: func(t *t) {
			c := t.Running(h.Idle)
			pid := c.State().Pid
			c.Stop()
			if !reusePid(t, pid) {
				t.Skipf("this host does not let a pid be chosen")
			}
			if s := c.State().Status; s != "stopped" {
				t.Errorf("status is %s for another process's pid", s)
			}
			t.OK("delete", "--force", c.ID)
			time.Sleep(50 * time.Millisecond)
			if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
				t.Errorf("delete --force killed a process that was not the container's")
			}
		},
	},
}
