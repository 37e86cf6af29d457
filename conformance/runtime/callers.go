package runtime

// Whole sequences of calls, as the tools make them.

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// tool is a caller with its own global flags, environment and directory.
type tool struct {
	t      *t
	global []string
	env    []string
	dir    string
}

// call must succeed.
func (c tool) call(args ...string) h.CmdResult {
	r := c.t.Do(call{Args: args, Global: c.global, Env: c.env, Dir: c.dir})
	if r.Code != 0 {
		c.t.Fatalf("want success: %s", r)
	}
	return r
}

// last is the signal after another one, which may have ended the program.
func (c tool) last(id, signal string) {
	r := c.t.Do(call{Args: []string{"kill", id, signal}, Global: c.global, Env: c.env, Dir: c.dir})
	if r.Code != 0 && !strings.Contains(r.Stderr, "not running") {
		c.t.Errorf("%s", r)
	}
}

// waitStatus polls state, as buildah does.
func (c tool) waitStatus(id, status string) {
	c.t.Eventually(func() bool { return strings.Contains(c.call("state", id).Stdout, `"`+status+`"`) }, "%s is not %s", id, status)
}

var callers = []h.Case{
	{
		Name: "callers/containerd", Clause: "containerd: a task's life",
		Does: "create, start, exec, ps, kill, delete and delete --force, with containerd's flags", Run: containerd,
	},
	{
		Name: "callers/containerd-terminal", Clause: "containerd: a task with a terminal",
		Does: "create with --console-socket, start, kill --all, delete", Run: func(t *t) {
			b, id, s := t.Bundle(h.Terminal, h.Idle), t.ID(), t.Console("console.sock")
			c := tool{t: t, global: []string{"--root", filepath.Join(t.Root, "default"), "--log", b.File("log.json"), "--log-format", "json"}}
			t.Root = filepath.Join(t.Root, "default")
			c.call("create", "--bundle", b.Dir, "--pid-file", b.File("init.pid"), "--console-socket", s.Path, id)
			s.Master()
			c.call("start", id)
			s.WaitLine("ready")
			c.call("kill", "--all", id, "9")
			c.waitStatus(id, "stopped")
			c.call("delete", id)
			c.call("delete", "--force", id)
		},
	},
	{
		Name: "callers/podman", Clause: "podman, conmon: a container's life",
		Does: "create, start, exec, kill and delete --force, with conmon's flags and environment", Run: podman,
	},
	{
		Name: "callers/empty-environment", Clause: "podman, conmon: an environment without PATH and HOME",
		Does: "a whole life with no environment at all", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			c := tool{t: t, env: []string{}}
			c.call("create", "--bundle", b.Dir, "--pid-file", b.File("pid"), id)
			c.call("start", id)
			c.waitStatus(id, "running")
			if r := t.Do(call{Args: []string{"exec", id, h.ProbePath, "exit", "3"}, Env: c.env}); r.Code != 3 {
				t.Errorf("exec: %s", r)
			}
			c.call("ps", "--format", "json", id)
			c.call("list")
			c.call("features")
			c.call("--version")
			c.call("kill", id, "KILL")
			c.waitStatus(id, "stopped")
			c.call("delete", id)
		},
	},
	{
		Name: "callers/buildah", Clause: "buildah: a RUN step",
		Does: "create in the bundle, start, state until stopped, delete without --force", Run: func(t *t) {
			b, id := t.Bundle(h.Do("mark", "ran")), t.ID()
			c := tool{t: t, dir: b.Dir}
			c.call("create", "--bundle", b.Dir, "--pid-file", b.File("pid"), id)
			c.call("start", id)
			c.waitStatus(id, "stopped")
			c.call("delete", id)
		},
	},
	{
		Name: "callers/buildah-interrupted", Clause: "buildah: an interrupted RUN step",
		Does: "kill NAME, kill NAME SIGKILL, delete NAME", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			c := tool{t: t, dir: b.Dir}
			c.call("create", "--bundle", b.Dir, "--pid-file", b.File("pid"), id)
			c.call("start", id)
			c.waitStatus(id, "running")
			c.call("kill", id)
			c.last(id, "SIGKILL")
			c.waitStatus(id, "stopped")
			c.call("delete", id)
		},
	},
	{
		Name: "callers/crio", Clause: "CRI-O: a container's life",
		Does: "state, attached exec --process, kill ID SIGNAL, kill -a, delete --force", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			c := tool{t: t}
			c.call("create", "--bundle", b.Dir, "--pid-file", b.File("pidfile"), id)
			c.call("start", id)
			c.waitStatus(id, "running")
			file := t.WriteFile(`{"cwd":"/","env":["A=1"],"user":{"uid":0,"gid":0},"args":["/bin/probe","exit","12"]}`, "process")
			if r := t.Try("exec", "--process", file, id); r.Code != 12 {
				t.Errorf("want exit status 12: %s", r)
			}
			c.call("kill", id, "15")
			c.call("kill", "-a", id, "9")
			c.waitStatus(id, "stopped")
			c.call("delete", "--force", id)
		},
	},
	{
		Name: "callers/runtime-tools", Clause: "runtime-tools: the validation suite's calls",
		Does: "create --bundle B ID, state, start, kill ID TERM, delete", Run: func(t *t) {
			b, id := t.Bundle(h.Do("trap", "0")), t.ID()
			c := tool{t: t}
			c.call("create", "--pid-file", t.Path("pid"), "--bundle", b.Dir, id)
			c.waitStatus(id, "created")
			c.call("start", id)
			c.waitStatus(id, "running")
			t.Eventually(func() bool {
				t.Try("kill", id, "TERM")
				return strings.Contains(c.call("state", id).Stdout, `"stopped"`)
			}, "the container is not stopped")
			c.call("delete", id)
		},
	},
	{
		Name: "callers/spec", Clause: "runc command line: spec",
		Does: "the config that spec writes runs", Run: func(t *t) {
			b := t.Bundle()
			t.Do(call{Args: []string{"spec"}, Dir: t.MkdirAll("spec"), Global: []string{}})
			var s specs.Spec
			t.Must("decode config", json.Unmarshal([]byte(t.ReadFile(t.Path("spec", "config.json"))), &s))
			s.Process.Args, s.Process.Terminal = []string{h.ProbePath, "mark", "ran"}, false
			b.Spec = &s
			b.Write()
			t.Succeeds(t.ProbeBundle(b), "mark")
		},
	},
}

func containerd(t *t) {
	b, id := t.Bundle(h.Idle), t.ID()
	root := filepath.Join(t.Root, "default")
	c := tool{t: t, global: []string{"--root", root, "--log", b.File("log.json"), "--log-format", "json"}}
	t.Root = root
	c.call("create", "--bundle", b.Dir, "--pid-file", b.File("init.pid"), id)
	c.call("start", id)
	c.waitStatus(id, "running")
	file := t.WriteFile(`{"cwd":"/","env":["A=1"],"user":{"uid":0,"gid":0},"args":["/bin/probe","signals"]}`, "process")
	c.call("exec", "--process", file, "--detach", "--pid-file", t.Path("exec.pid"), id)
	var pids []int
	t.Must("decode pids", json.Unmarshal([]byte(c.call("ps", "--format", "json", id).Stdout), &pids))
	if len(pids) != 2 || slices.Contains(pids, 0) {
		t.Errorf("ps printed %v", pids)
	}
	c.call("kill", id, "9")
	c.waitStatus(id, "stopped")
	c.call("delete", id)
	c.call("delete", "--force", id)
	t.Unknown(id)
}

func podman(t *t) {
	b, id := t.Bundle(h.Idle), t.ID()
	c := tool{t: t, global: []string{"--root", t.Root, "--log-format=json", "--log", t.Path("log")}, env: []string{"XDG_RUNTIME_DIR=/run"}}
	c.call("create", "--bundle", b.Dir, "--pid-file", t.Path("pidfile"), id)
	c.call("start", id)
	c.waitStatus(id, "running")
	file := t.WriteFile(`{"cwd":"/","env":["A=1"],"user":{"uid":0,"gid":0},"args":["/bin/probe","exit","4"]}`, "process")
	c.call("exec", "--pid-file", t.Path("exec.pid"), "--process", file, "--detach", id)
	c.call("kill", id, "15")
	c.last(id, "9")
	c.waitStatus(id, "stopped")
	c.call("delete", "--force", id)
}
