package runtime_test

// Killing runcell at every step of create, start, run and delete.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKilledAtEveryStep kills runcell with SIGKILL at each point that it
// passes, and expects `delete --force` to clean up completely.
func TestKilledAtEveryStep(t *testing.T) {
	stories := []struct {
		name   string
		before [][]string
		args   []string
	}{
		{"create", nil, []string{"create", "c"}},
		{"start", [][]string{{"create", "c"}}, []string{"start", "c"}},
		{"run", nil, []string{"run", "--detach", "c"}},
		{"delete created", [][]string{{"create", "c"}}, []string{"delete", "c"}},
		{"delete running", [][]string{{"run", "--detach", "c"}}, []string{"delete", "--force", "c"}},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			b := newFaultBox(t)
			points := b.trace(s.before, s.args)
			if len(points) < 3 {
				t.Fatalf("only %d points: %v", len(points), points)
			}
			for _, p := range points {
				b.killAt(p, s.before, s.args)
			}
		})
	}
}

type faultBox struct{ *box }

// newFaultBox has hooks at every point, as they are steps too.
func newFaultBox(t *testing.T) faultBox {
	b := faultBox{newBox(t)}
	b.bin = faultBin()
	b.withHooks()
	return b
}

// trace runs the story once and lists the points it passes.
func (b faultBox) trace(before [][]string, args []string) []string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "trace")
	b.prepare(before)
	if r := b.runEnv([]string{"RUNCELL_FAULT_TRACE=" + file}, args...); r.status != 0 {
		b.t.Fatalf("%v = %d: %s", args, r.status, r.stderr)
	}
	b.ok("delete", "--force", "c")
	trace, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(trace)), "\n")
}

func (b faultBox) prepare(before [][]string) {
	b.t.Helper()
	for _, a := range before {
		b.ok(a...)
	}
}

func (b faultBox) killAt(point string, before [][]string, args []string) {
	b.t.Helper()
	b.prepare(before)
	if r := b.runEnv([]string{"RUNCELL_FAULT=" + point}, args...); r.status != -1 {
		b.t.Errorf("at %q: %v ended with status %d, not by SIGKILL: %s", point, args, r.status, r.stderr)
	}
	if r := b.run("delete", "--force", "c"); r.status != 0 {
		b.t.Fatalf("at %q: delete --force = %d: %s", point, r.status, r.stderr)
	}
	if r := b.run("state", "c"); r.status == 0 {
		b.t.Errorf("at %q: the container is still there: %s", point, r.stdout)
	}
	if left := processesOf(b.bundle); len(left) > 0 {
		b.t.Errorf("at %q: processes left: %v", point, left)
	}
}
