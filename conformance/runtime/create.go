package runtime

// create's arguments, ids and bundle paths.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	h "github.com/netbsd-cells/runcell/conformance/harness"
)

var create = append([]h.Case{
	{
		Name: "create/no-id", Clause: "runtime.md Create",
		Does: "create without an id is an error", Run: func(t *t) { t.Refused("create", "--bundle", t.Bundle().Dir) },
	},
	{
		Name: "create/existing-id", Clause: "runtime.md Create",
		Does: "an id in use is an error, and its container is untouched", Run: func(t *t) {
			c := t.Running(h.Idle)
			t.Refused("create", "--bundle", t.Bundle().Dir, c.ID)
			if s := c.State(); s.Status != "running" || s.Bundle != c.Bundle.Dir {
				t.Errorf("the first container became %+v", s)
			}
			c.Kill("USR1")
			c.WaitLine("signal")
		},
	},
	{
		Name: "create/existing-id-stopped", Clause: "runtime.md Create",
		Does: "the id of a stopped container is in use until delete", Run: func(t *t) {
			c := t.Create(h.Idle)
			c.Stop()
			t.Refused("create", "--bundle", t.Bundle().Dir, c.ID)
			c.Delete()
		},
	},
	{
		Name: "create/id-characters", Clause: "containerd: ids are [A-Za-z0-9_+.-]+",
		Does: "letters, digits, _ + . - are accepted in an id", Run: func(t *t) {
			id := t.Track(t.Token + "_A+z.0-9")
			t.OK("create", "--bundle", t.Bundle(h.Idle).Dir, id)
			t.OK("kill", id, "KILL")
			t.OK("delete", "--force", id)
		},
	},
	{
		Name: "create/numeric-id", Clause: "peer defect: a numeric id taken for a kernel id",
		Does: "the id 0 is an ordinary id, not the host", Run: func(t *t) {
			id := t.Track("0")
			b := t.Bundle(h.Idle)
			if b.Spec.Linux != nil {
				b.Spec.Linux.CgroupsPath = "/" + t.Token
				b.Write()
			}
			pidFile := t.Path("pid")
			t.OK("create", "--bundle", b.Dir, "--pid-file", pidFile, id)
			if pid, err := strconv.Atoi(t.ReadFile(pidFile)); err != nil || pid < 2 || pid == os.Getpid() {
				t.Errorf("pid is %d, %v", pid, err)
			}
			t.OK("kill", id, "KILL")
			t.OK("delete", "--force", id)
			t.Unknown(id)
		},
	},
	{
		Name: "create/bundle-relative", Clause: "runtime.md State, bundle",
		Does: "--bundle may be relative; the state has it absolute", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			t.Do(call{Args: []string{"create", "--bundle", filepath.Base(b.Dir), id}})
			checkBundle(t, id, b.Dir)
		},
	},
	{
		Name: "create/bundle-by-cwd", Clause: "buildah, runtime-tools: create in the bundle directory",
		Does: "without --bundle the bundle is the working directory", Run: func(t *t) {
			b, id := t.Bundle(h.Idle), t.ID()
			t.Do(call{Args: []string{"create", id}, Dir: b.Dir})
			checkBundle(t, id, b.Dir)
		},
	},
	{
		Name: "create/bundle-missing", Clause: "runtime.md Create",
		Does: "a bundle that does not exist is an error", Run: func(t *t) {
			id := t.ID()
			t.Refused("create", "--bundle", filepath.Join(t.Dir, "nowhere"), id)
			t.Unknown(id)
		},
	},
	{
		Name: "create/two-from-one-bundle", Clause: "runtime.md Create",
		Does: "a bundle can be used by two containers", Run: func(t *t) {
			b := t.Bundle(h.Idle)
			one, two := t.CreateFrom(b), t.CreateFrom(b)
			one.Start()
			two.Start()
			one.Stop()
			two.WaitLine("ready")
			if s := two.State().Status; s != "running" {
				t.Errorf("the second container is %s after the first was killed", s)
			}
		},
	},
	{
		Name: "create/silent", Clause: "containerd: stdout belongs to the container",
		Does: "create prints nothing on stdout or stderr", Run: func(t *t) {
			c := t.Create(h.Idle)
			if c.Output() != "" || c.Stderr() != "" {
				t.Errorf("stdout %q, stderr %q", c.Output(), c.Stderr())
			}
		},
	},
	{
		Name: "create/ignored-flags", Clause: "containerd: --no-pivot, --no-new-keyring",
		Does: "the flags of Linux callers are accepted", Run: func(t *t) {
			t.CreateFrom(t.Bundle(h.Idle), "--no-pivot", "--no-new-keyring").Stop()
		},
	},
	{
		Name: "create/no-path-variable", Clause: "conmon: the runtime's environment is XDG_RUNTIME_DIR alone",
		Does: "a container's whole life works without PATH or HOME", Run: func(t *t) {
			env := []string{"XDG_RUNTIME_DIR=/run"}
			c := t.CreateWith(call{Env: env}, t.Bundle(h.Idle))
			for _, args := range [][]string{{"start", c.ID}, {"kill", c.ID, "KILL"}, {"delete", "--force", c.ID}} {
				if r := t.Do(call{Args: args, Env: env}); r.Code != 0 {
					t.Errorf("want success: %s", r)
				}
			}
		},
	},
	{
		Name: "create/deep-root", Clause: "containerd: --root DIR/NAMESPACE",
		Does: "create makes a state directory whose parents are missing", Run: func(t *t) {
			t.Root = filepath.Join(t.Dir, "made", "by", "create")
			c := t.Create(h.Idle)
			c.Stop()
			c.Delete()
		},
	},
	{
		Name: "create/killed", Clause: "runtime.md Errors; containerd: delete --force cleans up",
		Does:    "what a killed create leaves, delete --force removes, at whatever moment it was killed",
		Timeout: 60 * time.Second, Run: killedCreate,
	},
	{
		Name: "create/closed-stdin", Clause: "runtime-linux.md File descriptors",
		Does: "create works when the caller's stdin is at its end", Run: func(t *t) {
			in, out, err := os.Pipe()
			t.Must("make pipe", err)
			t.Must("close pipe", out.Close())
			c := t.CreateWith(call{Stdin: in}, t.Bundle(h.Do("stdin")))
			c.Start()
			t.Succeeds(c.Wait(), "stdin")
		},
	},
}, badIDs()...)

func checkBundle(t *t, id, want string) {
	r := t.OK("state", id)
	if !strings.Contains(r.Stdout, strconv.Quote(want)) {
		t.Errorf("want bundle %q: %s", want, r)
	}
}

// badIDs are ids that would escape from the state directory, or no ids.
func badIDs() []h.Case {
	var cases []h.Case
	for _, bad := range []struct{ name, id string }{
		{"empty", ""},
		{"dot", "."},
		{"dotdot", ".."},
		{"parent", "../%s"},
		{"slash", "%s/b"},
		{"absolute", "/tmp/%s"},
		{"space", "%s b"},
		{"newline", "%s\nb"},
	} {
		cases = append(cases, h.Case{
			Name: "create/id-" + bad.name, Clause: "runtime.md Create",
			Does: fmt.Sprintf("the id %q is an error", strings.ReplaceAll(bad.id, "%s", "x")),
			Run: func(t *t) {
				id := strings.ReplaceAll(bad.id, "%s", t.Token)
				before := entries(t, t.Dir)
				r := t.Refused("create", "--bundle", t.Bundle(h.Idle).Dir, id)
				if r.Code == 0 {
					t.Try("delete", "--force", id)
				}
				for name := range entries(t, t.Dir) {
					if !before[name] && name != "root" && name != "output" && name != "bundle0" {
						t.Errorf("create made %s beside the state directory", name)
					}
				}
			},
		})
	}
	return cases
}

func entries(t *t, dir string) map[string]bool {
	list, err := os.ReadDir(dir)
	t.Must("list directory", err)
	names := map[string]bool{}
	for _, e := range list {
		names[e.Name()] = true
	}
	return names
}

// killedCreate kills create after growing times, until it gets to its end.
func killedCreate(t *t) {
	b := t.Bundle(h.Idle)
	for delay := time.Millisecond; delay < 250*time.Millisecond; delay += delay/3 + time.Millisecond {
		id := t.ID()
		p := t.Begin(call{Args: []string{"create", "--bundle", b.Dir, id}})
		time.Sleep(delay)
		done := p.Done()
		p.Signal(syscall.SIGKILL)
		p.Wait()
		t.OK("delete", "--force", id)
		t.Unknown(id)
		if done {
			return
		}
	}
}
