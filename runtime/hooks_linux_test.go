package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// withHooks adds one hook at each of the six points; each keeps its input in
// a file of the point's name.
func (b *box) withHooks() {
	host := func(name string) []specs.Hook {
		return []specs.Hook{{Path: probeBin(), Args: []string{"probe", "hook", filepath.Join(b.bundle, name)}}}
	}
	b.spec.Hooks = &specs.Hooks{
		Prestart:        host("prestart"), //nolint:staticcheck // deprecated, and still in the spec
		CreateRuntime:   host("createRuntime"),
		CreateContainer: host("createContainer"),
		StartContainer:  []specs.Hook{{Path: "/probe", Args: []string{"probe", "hook", "/tmp/startContainer"}}},
		Poststart:       host("poststart"),
		Poststop:        host("poststop"),
	}
}

// TestHooksGetTheState checks each hook's status and pid (runtime.md,
// "Lifecycle"), and that startContainer runs inside.
func TestHooksGetTheState(t *testing.T) {
	b := newBox(t)
	b.withHooks()
	b.spec.Annotations = map[string]string{"a.b": "c"}
	b.ok("create", "h")
	b.ok("start", "h")
	b.ok("delete", "--force", "h")
	for file, status := range map[string]string{
		"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
		"rootfs/tmp/startContainer": "created", "poststart": "running", "poststop": "stopped",
	} {
		raw, err := os.ReadFile(filepath.Join(b.bundle, file))
		if err != nil {
			t.Errorf("hook %s did not run: %v", file, err)
			continue
		}
		var s specs.State
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Errorf("hook %s: state %q: %v", file, raw, err)
		}
		if string(s.Status) != status || s.ID != "h" || s.Bundle != b.bundle || s.Annotations["a.b"] != "c" {
			t.Errorf("hook %s: state = %s; want status %s", file, raw, status)
		}
		inside := file == "createContainer" || file == "rootfs/tmp/startContainer"
		if (s.Pid == 0) != (status == "stopped") || (s.Pid == 1) != inside {
			t.Errorf("hook %s: pid = %d at %s; want it as the hook's namespace has it", file, s.Pid, status)
		}
	}
}

func TestFailingHookUndoesCreate(t *testing.T) {
	b := newBox(t)
	b.withHooks()
	b.spec.Hooks.CreateRuntime = []specs.Hook{{Path: probeBin(), Args: []string{"probe", "exit", "7"}}}
	r := b.run("create", "h")
	if r.status != 1 || !strings.Contains(r.stderr, "hooks.createRuntime[0]") || !strings.Contains(r.stderr, "exit status 7") {
		t.Errorf("create = %d, %q; want 1 and the hook's name and status", r.status, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(b.bundle, "poststop")); err != nil {
		t.Errorf("poststop hooks did not run after a failed create: %v", err)
	}
	if r := b.run("state", "h"); r.status == 0 {
		t.Errorf("a failed create left a container: %s", r.stdout)
	}
}

func TestHookTimeout(t *testing.T) {
	b := newBox(t)
	second := 1
	b.spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: probeBin(), Args: []string{"probe", "sleep"}, Timeout: &second}}}
	r := b.run("create", "h") // ended by the test where the hook is not
	if r.status != 1 || !strings.Contains(r.stderr, "timed out after 1s") {
		t.Errorf("create = %d, %q; want a timeout", r.status, r.stderr)
	}
}

// TestFailingStartHooksDelete: after a failed startContainer or (since spec
// 1.3) poststart hook the container is stopped and deleted, poststop included.
func TestFailingStartHooksDelete(t *testing.T) {
	for _, point := range []string{"startContainer", "poststart"} {
		b := newBox(t)
		b.withHooks()
		bad := []specs.Hook{{Path: probeBin(), Args: []string{"probe", "exit", "3"}}}
		if point == "poststart" {
			b.spec.Hooks.Poststart = bad
		} else {
			bad[0].Path = "/probe"
			b.spec.Hooks.StartContainer = bad
		}
		for _, cmds := range [][][]string{{{"create", "h"}, {"start", "h"}}, {{"run", "--detach", "h"}}, {{"run", "h"}}} {
			_ = os.Remove(filepath.Join(b.bundle, "poststop"))
			for _, c := range cmds[:len(cmds)-1] {
				b.ok(c...)
			}
			if r := b.run(cmds[len(cmds)-1]...); r.status != 1 || !strings.Contains(r.stderr, "hooks."+point) {
				t.Errorf("%s: %v = %d, %q; want 1 and the hook's name", point, cmds, r.status, r.stderr)
			}
			if r := b.run("state", "h"); r.status == 0 {
				t.Errorf("%s: %v left a container: %s", point, cmds, r.stdout)
			}
			if _, err := os.Stat(filepath.Join(b.bundle, "poststop")); err != nil {
				t.Errorf("%s: %v did not run the poststop hooks: %v", point, cmds, err)
			}
		}
	}
}

// TestHookTimeoutCoversInput: a startContainer hook that does not read a state
// of more than a pipe holds does not keep start waiting.
func TestHookTimeoutCoversInput(t *testing.T) {
	b := newBox(t)
	second := 1
	b.spec.Annotations = map[string]string{"big": strings.Repeat("x", 1<<18)}
	b.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "sleep"}, Timeout: &second}}}
	b.ok("create", "h")
	r := b.run("start", "h")
	if r.status != 1 || !strings.Contains(r.stderr, "timed out after 1s") {
		t.Errorf("start = %d, %q; want the timeout", r.status, r.stderr)
	}
}

// TestHookThatStaysBehind: a createContainer hook has the host's rights, and what
// it leaves in the container can be made to use them by who may trace.
func TestHookThatStaysBehind(t *testing.T) {
	b := newBox(t)
	b.spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "sleep 1000 & exit 0"}}}}
	if r := b.run("create", "h"); r.status != 1 || !strings.Contains(r.stderr, "stay behind in the container") {
		t.Errorf("create with trace = %d, %q; want it refused", r.status, r.stderr)
	}
	if r := b.run("state", "h"); r.status == 0 {
		t.Errorf("a refused create left a container: %s", r.stdout)
	}
	few := []string{"CAP_KILL"}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: few}
	b.ok("create", "h")
	b.ok("delete", "--force", "h") // the namespace's end is the hook's
	b.spec.Process.Capabilities = nil
	b.spec.Hooks.CreateContainer[0].Args[2] = "sleep 0.2 & exit 0"
	b.ok("create", "h")
	b.ok("delete", "--force", "h")
}
