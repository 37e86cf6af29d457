package runtime_test

// A container's life on the published kernel module, as the emulator shows it:
// less is enforced, explain says what, and everything else works.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/wire"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestPublishedModule(t *testing.T) {
	b := newBox(t)
	limit := int64(50)
	b.spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	b.spec.Annotations = map[string]string{
		"org.netbsd.cell.permissions":    "-kill,time",
		"org.netbsd.cell.reserved-ports": "192.0.2.1:8099/tcp",
	}
	says := func(out string, want ...string) {
		t.Helper()
		words := strings.Join(strings.Fields(out), " ")
		for _, w := range want {
			if !strings.Contains(words, w) {
				t.Errorf("lacks %q:\n%s", w, out)
			}
		}
	}
	says(b.ok("--emulate", "published", "features", "--format", "table"), "abi 0", "permissions absent", "exit-status absent")
	says(b.ok("--emulate", "published", "explain", "."),
		"can run, with",
		"this kernel interface knows the three profiles only: stay closed though asked for: time; stay open though not asked for: raw-open, kill",
		"reserved on every address, for tcp and udp",
		"does not count a cell's processes",
		"/dev/ptmx: made, but can't be opened",
		"Missing in this kernel interface")
	if r := b.run("--emulate", "published", "--strict", "create", "c"); r.status != 1 || !strings.Contains(r.stderr, "--strict refuses") {
		t.Errorf("--strict create = %d: %s; want a refusal", r.status, r.stderr)
	}

	// Afterwards the state directory knows the module.
	b.ok("--emulate", "published", "create", "c")
	says(b.ok("features", "--format", "table"), "abi 0")
	for _, args := range [][]string{{"list"}, {"start", "c"}, {"features"}} {
		r := b.run(append([]string{"--emulate", "current"}, args...)...)
		if r.status != 1 || !strings.Contains(r.stderr, "are the published module's, not the current one's") {
			t.Errorf("%v as another module = %d: %s; want a refusal", args, r.status, r.stderr)
		}
	}
	b.ok("start", "c")
	says(b.ok("ps", "c"), "PID")
	if r := b.run("exec", "c", "/probe", "cat", "/dev/null"); r.status != 1 || !strings.Contains(r.stdout, "operation not permitted") {
		t.Errorf("open of /dev/null = %d: %s%s; want EPERM", r.status, r.stdout, r.stderr)
	}
	if r := b.run("wait", "c"); r.status != 1 || !strings.Contains(r.stderr, "does not keep exit statuses") {
		t.Errorf("wait = %d: %s; want a refusal that says why", r.status, r.stderr)
	}
	b.ok("kill", "--all", "c", "KILL")
	b.ok("delete", "--force", "c")

	// Without a cell the choice is free again.
	says(b.ok("features", "--format", "table"), fmt.Sprint("abi ", wire.Version))
	b.spec.Annotations = map[string]string{"org.netbsd.cell.profile": "low"}
	b.spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: "pid"}, {Type: "mount"}, {Type: "uts"}}
	b.spec.Process.Args = []string{"/probe", "cat", "/dev/null"}
	b.ok("--emulate", "published", "run", "low")
	b.spec.Annotations = map[string]string{"org.netbsd.cell.network": "none"}
	if r := b.run("--emulate", "published", "run", "none"); r.status != 1 || !strings.Contains(r.stderr, `say "host"`) {
		t.Errorf("run without network = %d: %s; want a refusal with the way out", r.status, r.stderr)
	}
	if r := b.run("--emulate", "newest", "list"); r.status != 1 || !strings.Contains(r.stderr, "use current or published") {
		t.Errorf("--emulate newest = %d: %s; want a refusal", r.status, r.stderr)
	}
}
