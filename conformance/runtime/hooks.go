package runtime

// Hooks: their order, what they are given, and what their failure does.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// hookKinds in the order of a container's life.
var hookKinds = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// hookLog is the file to which every hook and the process append: the same
// file outside and inside.
func hookLog(t *t) string { return t.Path("log", "hooks") }

// withLog mounts the hooks' log into the container.
func withLog(t *t) mod { return h.Bind(t.MkdirAll("log"), "/log", "rw") }

// hook makes the probe a hook that notes what it is given, then does ops.
func hook(t *t, kind, name string, ops ...string) specs.Hook {
	path, log := t.HostProbe(), hookLog(t)
	if kind == "startContainer" {
		path, log = h.ProbePath, "/log/hooks"
	}
	args := []string{"probe", "to", log, ";", "hook", name}
	if len(ops) > 0 {
		args = append(append(args, ";"), ops...)
	}
	return specs.Hook{Path: path, Args: args}
}

// addHook appends a hook to its kind's list.
func addHook(kind string, hook specs.Hook) mod {
	return func(s *specs.Spec) {
		if s.Hooks == nil {
			s.Hooks = &specs.Hooks{}
		}
		list := map[string]*[]specs.Hook{
			"prestart":        &s.Hooks.Prestart, //nolint:staticcheck // deprecated, and still to be run
			"createRuntime":   &s.Hooks.CreateRuntime,
			"createContainer": &s.Hooks.CreateContainer,
			"startContainer":  &s.Hooks.StartContainer,
			"poststart":       &s.Hooks.Poststart,
			"poststop":        &s.Hooks.Poststop,
		}[kind]
		*list = append(*list, hook)
	}
}

// hooked makes a bundle with a hook of each of the kinds.
func hooked(t *t, kinds []string, mods ...mod) *h.Bundle {
	mods = append([]mod{withLog(t)}, mods...)
	for _, kind := range kinds {
		mods = append(mods, addHook(kind, hook(t, kind, kind)))
	}
	return t.Bundle(mods...)
}

// logged reads what hooks and process have noted.
func logged(t *t) h.Lines {
	path := hookLog(t)
	if !h.Exists(path) {
		return nil
	}
	return h.ParseLines(t.ReadFile(path))
}

// whole runs a container's life from create to delete.
func whole(t *t, b *h.Bundle) *h.Container {
	c := t.CreateFrom(b)
	c.Start()
	c.WaitStatus("stopped")
	c.Delete()
	return c
}

var hooks = slices.Concat(hookStates(), hookFailures, []h.Case{
	{
		Name: "hooks/order", Clause: "runtime.md Lifecycle, steps 3-13",
		Does: "hooks run at their points of the lifecycle, in order", Run: func(t *t) {
			b := hooked(t, hookKinds, h.Do("to", "/log/hooks", ";", "mark", "process"))
			whole(t, b)
			got := logged(t).Ops()
			// poststart comes after the program is executed: the program's own
			// note may come on either side of it.
			want := []string{"hook prestart", "hook createRuntime", "hook createContainer", "hook startContainer", "hook poststart", "hook poststop"}
			if h := without(got, "mark process"); !slices.Equal(h, want) {
				t.Errorf("hooks ran as %q", got)
			}
			if i := slices.Index(got, "mark process"); i != 4 && i != 5 {
				t.Errorf("the process ran as number %d of %q", i, got)
			}
		},
	},
	{
		Name: "hooks/points", Clause: "runtime.md Lifecycle, steps 3-13",
		Does: "create, start and delete each run their own hooks", Run: func(t *t) {
			c := t.CreateFrom(hooked(t, hookKinds, h.Idle))
			for _, step := range []struct {
				did  string
				want int
				next func()
			}{{"create", 3, func() { c.Start(); c.WaitLine("ready") }}, {"start", 5, func() { c.Stop(); c.Delete() }}, {"delete", 6, func() {}}} {
				if got := logged(t).Ops(); len(got) != step.want {
					t.Errorf("after %s the hooks that ran are %q", step.did, got)
				}
				step.next()
			}
		},
	},
	{
		Name: "hooks/listed-order", Clause: "config.md POSIX-platform Hooks",
		Does: "hooks of a kind run in the listed order, one after the other", Run: func(t *t) {
			mods := []mod{withLog(t), h.Idle}
			for _, name := range []string{"a", "b", "c"} {
				mods = append(mods, addHook("createRuntime", hook(t, "createRuntime", name, "sleep", "20ms", ";", "mark", name)))
			}
			t.Create(mods...)
			want := []string{"hook a", "ready", "mark a", "hook b", "ready", "mark b", "hook c", "ready", "mark c"}
			if got := logged(t).Ops(); !slices.Equal(got, want) {
				t.Errorf("hooks ran as %q", got)
			}
		},
	},
	{
		Name: "hooks/args-env", Clause: "config.md POSIX-platform Hooks, args and env",
		Does: "a hook gets exactly its args and its env", Run: func(t *t) {
			hk := hook(t, "createRuntime", "one")
			hk.Args[0], hk.Env = "argv zero", []string{"A=1", "B=two words"}
			t.Create(withLog(t), h.Idle, addHook("createRuntime", hk))
			f := t.Line(logged(t), "hook", "one").Facts
			if f.Args[0] != "argv zero" || !slices.Equal(f.Env, hk.Env) {
				t.Errorf("args %q, env %q", f.Args, f.Env)
			}
		},
	},
	{
		Name: "hooks/env-not-containers", Clause: "peer defect: helpers run with the container's environment",
		Does: "a hook on the host does not get the container's environment", Run: func(t *t) {
			t.CreateFrom(hooked(t, []string{"prestart", "createRuntime", "createContainer"}, h.Idle, h.Env("LD_PRELOAD=/evil.so")))
			for _, line := range logged(t) {
				if slices.Contains(line.Facts.Env, "LD_PRELOAD=/evil.so") {
					t.Errorf("%s got the container's environment", line.Args)
				}
			}
		},
	},
	{
		Name: "hooks/no-env", Clause: "peers: hooks rely on PATH",
		Does: "a hook on the host that names no environment has the runtime's", Run: func(t *t) {
			t.CreateFrom(hooked(t, []string{"prestart", "createRuntime", "createContainer"}, h.Idle))
			for _, line := range logged(t) {
				if !slices.Contains(line.Facts.Env, "CONFORMANCE_CALLER="+t.Token) {
					t.Errorf("%s has the environment %q", line.Args, line.Facts.Env)
				}
			}
		},
	},
	{
		Name: "hooks/no-env-inside", Clause: "attack: the runtime's environment in a container",
		Does: "a startContainer hook that names no environment has the process's, and nothing of the runtime's", Run: func(t *t) {
			c := t.CreateFrom(hooked(t, []string{"startContainer"}, h.Idle, h.Env("FROM_CONFIG=1")))
			c.Start()
			c.WaitLine("ready")
			env := t.Line(logged(t), "hook", "startContainer").Facts.Env
			if slices.Contains(env, "CONFORMANCE_CALLER="+t.Token) || !slices.Contains(env, "FROM_CONFIG=1") {
				t.Errorf("the hook has the environment %q", env)
			}
		},
	},
	{
		Name: "hooks/start-container-streams", Clause: "config.md StartContainer Hooks; peers",
		Does: "what a startContainer hook prints is neither in the output of start, which run shares with the program, nor in the container's", Run: func(t *t) {
			c := t.Create(withLog(t), h.Idle, addHook("startContainer", hook(t, "startContainer", "loud", "say", "hook-out", ";", "complain", "hook-err")))
			r := t.OK("start", c.ID)
			c.WaitLine("ready")
			t.Line(logged(t), "hook", "loud")
			if all := r.Stdout + r.Stderr + c.Output() + c.Stderr(); strings.Contains(all, "hook-out") || strings.Contains(all, "hook-err") {
				t.Errorf("the container's output has the hook's: %q", all)
			}
		},
	},
	{
		Name: "hooks/directory", Clause: "peers: hooks run in the bundle",
		Does: "a hook on the host starts in the bundle's directory", Run: func(t *t) {
			c := t.CreateFrom(hooked(t, []string{"createRuntime", "poststart"}, h.Idle))
			c.Start()
			for _, line := range logged(t) {
				if line.Op == "hook" && line.Facts.Cwd != c.Bundle.Dir {
					t.Errorf("%s runs in %s", line.Args, line.Facts.Cwd)
				}
			}
		},
	},
	{
		Name: "hooks/leaves-child", Clause: "config.md POSIX-platform Hooks, timeout",
		Does: "a hook has ended when it has, though a child of its own still has its output", Run: func(t *t) {
			hk, twenty := hook(t, "createRuntime", "leaves", "linger"), 20
			hk.Timeout = &twenty
			began := time.Now()
			t.Create(withLog(t), h.Idle, addHook("createRuntime", hk))
			if took := time.Since(began); took > t.Limit(10*time.Second) {
				t.Errorf("create took %s", took)
			}
			for _, name := range t.Line(logged(t), "linger").Names {
				pid, err := strconv.Atoi(name)
				t.Must("read pid", err)
				t.Must("end the hook's child", killPid(pid))
			}
		},
	},
	{
		Name: "hooks/no-args", Clause: "peer defect: an empty hook.args panics",
		Does: "a hook without args is run with its path as argv[0]", Run: func(t *t) {
			t.Create(h.Idle, addHook("createRuntime", specs.Hook{Path: t.HostProbe()}))
		},
	},
	{
		Name: "hooks/host-path", Clause: "config.md CreateRuntime Hooks",
		Does: "createRuntime and poststop see the host's files, and write to them", Run: func(t *t) {
			host := t.WriteFile("host", "host")
			mods := []mod{withLog(t), h.Idle}
			for _, kind := range []string{"createRuntime", "poststop"} {
				mods = append(mods, addHook(kind, hook(t, kind, kind, "read", host)))
			}
			t.Create(mods...).Delete()
			for _, line := range logged(t) {
				if line.Op == "read" && line.Text != "host" {
					t.Errorf("read of a host file: %+v", line)
				}
			}
			if n := len(logged(t)); n != 4 {
				t.Errorf("%d lines, want 4", n)
			}
		},
	},
	{
		Name: "hooks/start-container-inside", Clause: "config.md StartContainer Hooks",
		Does: "startContainer hooks run inside, in the container's root", Run: func(t *t) {
			host := t.WriteFile("host", "host")
			b := t.Bundle(withLog(t), h.Idle, addHook("startContainer", hook(t, "startContainer", "inside", "read", host, ";", "mkdir", "/made-inside")))
			c := t.CreateFrom(b)
			c.Start()
			c.WaitLine("ready")
			lines := logged(t)
			t.Denied([]string{"ENOENT"}, lines, "read")
			t.Succeeds(lines, "mkdir")
			if !h.Exists(b.RootFS("made-inside")) {
				t.Errorf("the hook's directory is not in the root filesystem")
			}
		},
	},
	{
		Name: "hooks/start-container-user", Clause: "config.md StartContainer Hooks; peers",
		Does: "startContainer hooks run as the process's user, in its directory", Run: func(t *t) {
			b := t.Bundle(withLog(t), h.Idle, h.User(1000, 1001), h.Cwd("/log"), addHook("startContainer", hook(t, "startContainer", "inside")))
			t.Must("let anybody write the log", os.Chmod(t.WriteFile("", "log", "hooks"), 0o666))
			c := t.CreateFrom(b)
			c.Start()
			c.WaitLine("ready")
			f := t.Line(logged(t), "hook", "inside").Facts
			if f.UID != 1000 || f.EUID != 1000 || f.GID != 1001 || f.Cwd != "/log" {
				t.Errorf("the hook is uid %d/%d, gid %d, in %s", f.UID, f.EUID, f.GID, f.Cwd)
			}
		},
	},
	{
		Name: "hooks/namespaces", Clause: "config.md Hooks, Summary", OS: linux, Else: "NetBSD has one mount table for all, so hooks see the same mounts",
		Does: "createRuntime and poststart run in the host's namespaces, createContainer in the container's", Run: func(t *t) {
			c := t.CreateFrom(hooked(t, []string{"createRuntime", "createContainer", "poststart"}, h.Idle))
			c.Start()
			lines, inside := logged(t), c.Facts().Namespaces
			for _, ns := range []string{"mnt", "pid", "ipc", "uts"} {
				host := t.Line(lines, "hook", "createRuntime").Facts.Namespaces[ns]
				if host == inside[ns] || t.Line(lines, "hook", "poststart").Facts.Namespaces[ns] != host {
					t.Errorf("createRuntime or poststart ran in the container's namespace %s", ns)
				}
				if got := t.Line(lines, "hook", "createContainer").Facts.Namespaces[ns]; got != inside[ns] {
					t.Errorf("createContainer ran in %s, the container is in %s", got, inside[ns])
				}
			}
		},
	},
	{
		Name: "hooks/before-pivot", Clause: "config.md CreateContainer Hooks",
		Does: "createContainer hooks see the host's files: the root is not switched yet", Run: func(t *t) {
			host := t.WriteFile("host", "host")
			t.Create(withLog(t), h.Idle, addHook("createContainer", hook(t, "createContainer", "one", "read", host)))
			t.Succeeds(logged(t), "read")
		},
	},
	{
		Name: "hooks/run", Clause: "runtime.md Lifecycle",
		Does: "run calls every hook, poststop before it returns", Run: func(t *t) {
			t.ProbeBundle(hooked(t, hookKinds, h.Do("mark", "process")))
			if got := logged(t).Ops(); len(got) != 6 || got[5] != "hook poststop" {
				t.Errorf("hooks ran as %q", got)
			}
		},
	},
	{
		Name: "hooks/descriptors", Clause: "attack: descriptors inherited by hooks",
		Does: "a hook on the host has only descriptors 0, 1 and 2", Run: func(t *t) {
			t.CreateFrom(hooked(t, []string{"createRuntime", "createContainer"}, h.Idle))
			for _, line := range logged(t) {
				if fds := numbers(line.Facts.FDs); !slices.Equal(fds, []int{0, 1, 2}) {
					t.Errorf("%s has descriptors %v", line.Args, line.Facts.FDs)
				}
			}
		},
	},
	{
		Name: "hooks/relative-path", Clause: "config.md POSIX-platform Hooks, path",
		Does: "a relative path is an error", Run: func(t *t) {
			t.MkdirAll("log")
			hk := hook(t, "createRuntime", "one")
			hk.Path = "probe"
			refusedCreate(t, t.Bundle(h.Idle, addHook("createRuntime", hk)))
		},
	},
})

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(e string) bool { return e == s })
}

func numbers(fds []fact.FD) []int {
	var list []int
	for _, fd := range fds {
		list = append(list, fd.Number)
	}
	return list
}

// hookStates checks the state on each kind's stdin.
func hookStates() []h.Case {
	var cases []h.Case
	for _, k := range []struct{ kind, status string }{
		{"prestart", "creating"},
		{"createRuntime", "creating"},
		{"createContainer", "creating"},
		{"startContainer", "created"},
		{"poststart", "running"},
		{"poststop", "stopped"},
	} {
		cases = append(cases, h.Case{
			Name: "hooks/state-" + k.kind, Clause: "config.md POSIX-platform Hooks; runtime.md State",
			Does: k.kind + " hooks get the state on stdin, status " + k.status,
			Run: func(t *t) {
				b := hooked(t, []string{k.kind}, h.Idle, h.Annotate("com.example", "hooked"))
				c := t.CreateFrom(b, "--pid-file", t.Path("pid"))
				c.Start()
				c.WaitLine("ready")
				c.Stop()
				c.Delete()
				checkHookState(t, c, k.kind, k.status)
			},
		})
	}
	return cases
}

func checkHookState(t *t, c *h.Container, kind, status string) {
	line := t.Line(logged(t), "hook", kind)
	var s h.State
	if err := json.Unmarshal([]byte(line.Text), &s); err != nil {
		t.Fatalf("the state on stdin is %q: %v", line.Text, err)
	}
	if s.ID != c.ID || s.Bundle != c.Bundle.Dir || s.OCIVersion == "" || s.Annotations["com.example"] != "hooked" {
		t.Errorf("the state on stdin is %+v", s)
	}
	if s.Status != status {
		t.Errorf("status on stdin is %q, want %q", s.Status, status)
	}
	host, err := strconv.Atoi(t.ReadFile(filepath.Join(t.Dir, "pid")))
	t.Must("read pid-file", err)
	want, seen := host, "the host"
	if kind == "createContainer" || kind == "startContainer" {
		want, seen = c.Facts().Pid, "the container"
	}
	if status != "stopped" && s.Pid != want {
		t.Errorf("pid on stdin is %d, want %d as seen by %s", s.Pid, want, seen)
	}
}

// failing is a hook that fails after noting that it ran.
func failing(t *t, kind string) mod { return addHook(kind, hook(t, kind, kind, "exit", "3")) }

// hookFailures is what a failing hook does.
var hookFailures = []h.Case{
	{Name: "hooks/prestart-fails", Clause: "runtime.md Lifecycle, step 3", Does: "create fails and leaves nothing", Run: createHookFails("prestart")},
	{Name: "hooks/createRuntime-fails", Clause: "runtime.md Lifecycle, step 4", Does: "create fails and leaves nothing", Run: createHookFails("createRuntime")},
	{Name: "hooks/createContainer-fails", Clause: "runtime.md Lifecycle, step 5", Does: "create fails and leaves nothing", Run: createHookFails("createContainer")},
	{
		Name: "hooks/createRuntime-fails-poststop", Clause: "runtime.md Lifecycle, steps 4 and 13",
		Does: "after a failed createRuntime hook the later hooks are left out and poststop runs", Run: func(t *t) {
			refusedCreate(t, t.Bundle(withLog(t), h.Idle, failing(t, "createRuntime"),
				addHook("createContainer", hook(t, "createContainer", "createContainer")), addHook("poststop", hook(t, "poststop", "poststop"))))
			if got := logged(t).Ops(); !slices.Equal(got, []string{"hook createRuntime", "hook poststop"}) {
				t.Errorf("hooks ran as %q", got)
			}
		},
	},
	{
		Name: "hooks/startContainer-fails", Clause: "runtime.md Lifecycle, step 7",
		Does: "the program is not run, and the container stops", Run: func(t *t) {
			c := t.Create(withLog(t), h.Do("mark", "ran"), failing(t, "startContainer"))
			t.Try("start", c.ID)
			t.Eventually(func() bool {
				r := t.Try("state", c.ID)
				return r.Code != 0 || strings.Contains(r.Stdout, `"stopped"`)
			}, "the container goes on after a failed startContainer hook")
			if c.Output() != "" {
				t.Errorf("the program ran: %q", c.Output())
			}
		},
	},
	{
		Name: "hooks/startContainer-fails-start", Clause: "runtime.md Lifecycle, step 7",
		Does: "start is an error", Run: func(t *t) {
			c := t.Create(withLog(t), h.Idle, failing(t, "startContainer"))
			t.Refused("start", c.ID)
		},
	},
	{
		Name: "hooks/poststart-fails", Clause: "runtime.md Lifecycle, step 9",
		Does: "start is an error, the container is stopped and destroyed, poststop runs", Run: func(t *t) {
			c := t.Create(withLog(t), h.Idle, failing(t, "poststart"), addHook("poststop", hook(t, "poststop", "poststop")))
			t.Refused("start", c.ID)
			c.Gone()
			if got := logged(t).Ops(); !slices.Equal(got, []string{"hook poststart", "hook poststop"}) {
				t.Errorf("hooks ran as %q", got)
			}
		},
	},
	{
		Name: "hooks/poststop-fails", Clause: "runtime.md Lifecycle, step 13",
		Does: "delete succeeds and the remaining poststop hooks run", Run: func(t *t) {
			c := t.Create(withLog(t), h.Idle, failing(t, "poststop"), addHook("poststop", hook(t, "poststop", "second")))
			c.Stop()
			c.Delete()
			c.Gone()
			if got := logged(t).Ops(); !slices.Equal(got, []string{"hook poststop", "hook second"}) {
				t.Errorf("hooks ran as %q", got)
			}
		},
	},
	{
		Name: "hooks/poststop-fails-warning", Clause: "runtime.md Lifecycle, step 13",
		Does: "delete says which poststop hook has failed", Run: func(t *t) {
			c := t.Create(withLog(t), h.Idle, failing(t, "poststop"))
			c.Stop()
			if r := t.OK("delete", c.ID); !strings.Contains(r.Stderr, "hook") {
				t.Errorf("want a warning on stderr: %s", r)
			}
		},
	},
	{
		Name: "hooks/missing-program", Clause: "runtime.md Lifecycle, step 4",
		Does: "a hook whose program does not exist is a failed hook", Run: func(t *t) {
			refusedCreate(t, t.Bundle(h.Idle, addHook("createRuntime", specs.Hook{Path: "/no/such/hook"})))
		},
	},
	{
		Name: "hooks/timeout", Clause: "config.md POSIX-platform Hooks, timeout",
		Does: "a hook that runs longer than its timeout is ended, and has failed", Run: func(t *t) {
			hk, second := hook(t, "createRuntime", "slow", "sleep", "600s", ";", "mark", "survived"), 1
			hk.Timeout = &second
			start := time.Now()
			refusedCreate(t, t.Bundle(withLog(t), h.Idle, addHook("createRuntime", hk)))
			if took := time.Since(start); took > t.Limit(10*time.Second) || took < 900*time.Millisecond {
				t.Errorf("create took %s with a timeout of 1 s", took)
			}
		},
	},
	{
		Name: "hooks/timeout-unread", Clause: "config.md POSIX-platform Hooks, timeout",
		Does: "the timeout holds for a hook that does not read a state of more than a pipe takes", Timeout: 10 * time.Second, Run: func(t *t) {
			second := 1
			hk := specs.Hook{Path: h.ProbePath, Args: []string{"probe", "sleep", "600s"}, Timeout: &second}
			c := t.Create(h.Idle, h.Annotate("big", strings.Repeat("x", 1<<18)), addHook("startContainer", hk))
			t.Refused("start", c.ID)
		},
	},
	{
		Name: "hooks/timeout-zero", Clause: "config.md POSIX-platform Hooks, timeout",
		Does: "a timeout that is not greater than zero is an error", Run: func(t *t) {
			hk, zero := hook(t, "createRuntime", "one"), 0
			hk.Timeout = &zero
			refusedCreate(t, t.Bundle(withLog(t), h.Idle, addHook("createRuntime", hk)))
		},
	},
}

// createHookFails checks a failing hook of the create operation.
func createHookFails(kind string) func(*t) {
	return func(t *t) {
		refusedCreate(t, t.Bundle(withLog(t), h.Idle, failing(t, kind)))
		t.Line(logged(t), "hook", kind)
	}
}
