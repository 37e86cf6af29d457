package runtime

// What a container uses, and the limits that can change: events, ps, update,
// metrics, and the cgroup that tools read themselves.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// event is a line of events, as go-runc reads it.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data struct {
		CPU    struct{ Usage struct{ Total uint64 } }
		Memory struct{ Usage struct{ Usage, Limit uint64 } }
		Pids   struct{ Current, Limit uint64 }
	} `json:"data"`
}

// events decodes a line each.
func events(t *t, text string) []event {
	var list []event
	for line := range strings.Lines(text) {
		var e event
		t.Must("decode event", json.Unmarshal([]byte(line), &e))
		list = append(list, e)
	}
	return list
}

// stats asks for a container's.
func stats(t *t, id string) event {
	list := events(t, t.OK("events", "--stats", id).Stdout)
	if len(list) != 1 || list[0].Type != "stats" || list[0].ID != id {
		t.Fatalf("events --stats prints %+v", list)
	}
	return list[0]
}

// inCgroup puts a container at a path of its own: of one part, as other
// runtimes leave what leads to it.
func inCgroup(t *t) (mod, string) {
	path := "/conformance-" + t.Token
	return func(s *specs.Spec) {
		if s.Linux == nil {
			s.Linux = &specs.Linux{}
		}
		s.Linux.CgroupsPath = path
	}, path
}

// cgroupsAt lists the directories of a path in all hierarchies.
func cgroupsAt(path string) []string {
	list, _ := filepath.Glob("/sys/fs/cgroup/*" + path)
	if h.Exists("/sys/fs/cgroup" + path) {
		list = append(list, "/sys/fs/cgroup"+path)
	}
	return list
}

var usage = slices.Concat(accounts, updates, cgroups)

var accounts = []h.Case{
	{
		Name: "events/stats", Clause: "containerd, docker: events --stats",
		Does: "one JSON object with CPU time in ns, memory in bytes and the number of processes", Run: func(t *t) {
			at, _ := inCgroup(t)
			c := t.Running(h.Idle, at)
			if e := stats(t, c.ID); e.Data.Pids.Current == 0 || e.Data.Memory.Usage.Usage == 0 || e.Data.CPU.Usage.Total == 0 || e.Data.Memory.Usage.Limit == 0 {
				t.Errorf("a running container has %+v", e.Data)
			}
		},
	},
	{
		Name: "events/stream", Clause: "containerd, docker: events --interval",
		Does: "stats come at intervals until the container ends", Run: func(t *t) {
			at, _ := inCgroup(t)
			c := t.Running(h.Idle, at)
			p := t.Begin(call{Args: []string{"events", "--interval", "200ms", c.ID}})
			t.Eventually(func() bool { return strings.Count(p.Output(), "\n") >= 2 }, "events prints less than two lines")
			c.Stop()
			t.OK("delete", c.ID)
			if r := p.Wait(); r.Code != 0 {
				t.Errorf("events ends with %s", r)
			}
			for _, e := range events(t, p.Output()) {
				if e.Type != "stats" || e.ID != c.ID {
					t.Errorf("events prints %+v", e)
				}
			}
		},
	},
	{
		Name: "events/not-running", Clause: "runc command line: events",
		Does: "events of a stopped or unknown container is an error, and so is an interval of 0", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("events", "--interval", "0s", c.ID)
			c.Stop()
			t.Refused("events", "--stats", c.ID)
			t.Refused("events", "--stats", t.ID())
		},
	},
	{
		Name: "ps/table", Clause: "docker: ps --format table", Does: "a table whose header has PID, with a line for each process", Run: func(t *t) {
			at, _ := inCgroup(t)
			c := t.Running(h.Idle, at)
			lines := strings.Split(strings.TrimSpace(t.OK("ps", "--format", "table", c.ID).Stdout), "\n")
			column := slices.Index(strings.Fields(lines[0]), "PID")
			if column < 0 || len(lines) != 2 || strings.Fields(lines[1])[column] != strconv.Itoa(c.State().Pid) {
				t.Errorf("ps prints %q; want the process %d", lines, c.State().Pid)
			}
		},
	},
	{
		Name: "metrics/text", Clause: "runcell(8): metrics",
		Does: "the number of processes of each container, and an end mark", Run: func(t *t) {
			own(t, "metrics")
			c := t.Running(h.Idle)
			r := t.OK("metrics")
			if !strings.Contains(r.Stdout, `runcell_cell_processes{id="`+c.ID+`"} 1`+"\n") || !strings.HasSuffix(r.Stdout, "# EOF\n") {
				t.Errorf("metrics prints %q", r.Stdout)
			}
			request := t.WriteFile("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "request")
			in, err := os.Open(request)
			t.Must("open request", err)
			defer func() { _ = in.Close() }()
			r = t.Do(call{Args: []string{"metrics", "--inetd", c.ID}, Stdin: in})
			head, body, _ := strings.Cut(r.Stdout, "\r\n\r\n")
			if r.Code != 0 || !strings.HasPrefix(head, "HTTP/1.1 200 ") || !strings.HasSuffix(body, "# EOF\n") ||
				!strings.Contains(head, "Content-Length: "+strconv.Itoa(len(body))) {
				t.Errorf("metrics --inetd: %s", r)
			}
		},
	},
}

var updates = []h.Case{
	{
		Name: "update/pids", Clause: "containerd, podman: update --resources",
		Does: "the limit of processes changes, from a file and from standard input", Run: func(t *t) {
			at, _ := inCgroup(t)
			c := t.Running(h.Idle, at)
			file := t.WriteFile(`{"pids":{"limit":91}}`, "resources")
			t.OK("update", "--resources", file, c.ID)
			if e := stats(t, c.ID); e.Data.Pids.Limit != 91 {
				t.Errorf("after update the limit is %d", e.Data.Pids.Limit)
			}
			in, err := os.Open(t.WriteFile(`{"pids":{"limit":77}}`, "stdin"))
			t.Must("open resources", err)
			defer func() { _ = in.Close() }()
			if r := t.Do(call{Args: []string{"update", "--resources=-", c.ID}, Stdin: in}); r.Code != 0 {
				t.Errorf("update from standard input: %s", r)
			}
			if e := stats(t, c.ID); e.Data.Pids.Limit != 77 {
				t.Errorf("after update the limit is %d", e.Data.Pids.Limit)
			}
		},
	},
	{
		Name: "update/lacking", Clause: "runcell(8): update",
		Does: "a limit that cells lack is a warning that names it, with --strict an error", Run: func(t *t) {
			own(t, "update's warning")
			c, log := t.Running(h.Idle), t.Path("log")
			global := []string{"--root", t.Root, "--log", log, "--log-format", "json"}
			file := t.WriteFile(`{"memory":{"limit":67108864},"cpu":{"shares":5}}`, "resources")
			if r := t.Do(call{Global: global, Args: []string{"update", "--resources", file, c.ID}}); r.Code != 0 {
				t.Errorf("update: %s", r)
			}
			if text := t.ReadFile(log); strings.Count(text, "\n") != 1 || !strings.Contains(text, "memory.limit, cpu.shares") {
				t.Errorf("the log is %q", text)
			}
			if r := t.Do(call{Global: append(global, "--strict"), Args: []string{"update", "--resources", file, c.ID}}); r.Code != 1 {
				t.Errorf("update with --strict: %s", r)
			}
		},
	},
	{
		Name: "update/not-running", Clause: "runc command line: update",
		Does: "update of an unknown container, or with what is no JSON, is an error", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("update", "--resources", t.WriteFile("{", "broken"), c.ID)
			t.Refused("update", "--resources", t.Path("nowhere"), c.ID)
			t.Refused("update", "--resources", t.WriteFile("{}", "good"), t.ID())
		},
	},
	{
		Name: "checkpoint/refused", Clause: "runcell(8): checkpoint",
		Does: "checkpoint and restore say that cells have none, whatever their flags", Run: func(t *t) {
			own(t, "the refusal of checkpoints")
			c := t.Running(h.Idle)
			for _, args := range [][]string{{"checkpoint", "--image-path", t.Dir, c.ID}, {"restore", "--bundle", c.Bundle.Dir, "--detach", t.ID()}} {
				if r := t.Try(args...); r.Code != 1 || !strings.Contains(r.Stderr, "cells have no checkpoints") {
					t.Errorf("%s", r)
				}
			}
		},
	},
}

var cgroups = []h.Case{
	{
		Name: "cgroup/path", Clause: "config-linux.md Control groups", OS: linux, Else: "NetBSD has no cgroups",
		Does: "the process is in a cgroup at linux.cgroupsPath, which goes with the container", Run: func(t *t) {
			at, path := inCgroup(t)
			c := t.Running(h.Idle, at)
			b := t.ReadFile("/proc/" + strconv.Itoa(c.State().Pid) + "/cgroup")
			if !strings.Contains(b, ":"+path+"\n") || len(cgroupsAt(path)) == 0 {
				t.Errorf("the process's cgroups are\n%s", b)
			}
			c.Stop()
			c.Delete()
			if left := cgroupsAt(path); len(left) > 0 {
				t.Errorf("delete left %v", left)
			}
		},
	},
	{
		Name: "cgroup/file", Clause: "config-linux.md Control groups; one container's mistake is not another's", OS: linux, Else: "NetBSD has no cgroups",
		Does: "a cgroupsPath that is a file of the hierarchy is refused, and the runtime works on", Run: func(t *t) {
			b, other := t.Bundle(h.Idle), t.Running(h.Idle)
			for _, path := range []string{"/cgroup.procs", "/cgroup.procs/below"} {
				b.Spec.Linux.CgroupsPath = path
				b.Write()
				id := t.ID()
				t.Refused("create", "--bundle", b.Dir, id)
				t.OK("delete", "--force", id)
			}
			if r := t.OK("list", "--quiet"); strings.TrimSpace(r.Stdout) != other.ID {
				t.Errorf("want the other container alone: %s", r)
			}
			other.Stop()
			other.Delete()
		},
	},
	{
		Name: "cgroup/escape", Clause: "config-linux.md Control groups",
		Does: "a cgroupsPath through .. is refused, and nothing is left", Run: func(t *t) {
			own(t, "refusing such a path")
			b, id := t.Bundle(h.Idle), t.ID()
			b.Spec.Linux = &specs.Linux{CgroupsPath: "/a/../../../tmp/x"}
			b.Write()
			t.Refused("create", "--bundle", b.Dir, id)
			t.Unknown(id)
		},
	},
	{
		Name: "cgroup/shared", Clause: "runc command line: create", OS: linux, Else: "NetBSD has no cgroups",
		Does: "a second container at the same path is refused, and the first is not harmed", Run: func(t *t) {
			own(t, "refusing a cgroup in use")
			at, path := inCgroup(t)
			c, b := t.Running(h.Idle, at), t.Bundle(h.Idle, at)
			t.Refused("create", "--bundle", b.Dir, t.ID())
			if len(cgroupsAt(path)) == 0 || c.State().Status != "running" {
				t.Errorf("the first container has lost its cgroup or its process")
			}
		},
	},
}
