package runtime_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRecoverAtEveryStep kills runcell with SIGKILL at each point that it
// passes; `recover` alone then leaves a whole container or nothing.
func TestRecoverAtEveryStep(t *testing.T) {
	for _, s := range []struct {
		name   string
		before [][]string
		args   []string
		whole  string // the statuses that a container may have that is left
	}{
		{"create", nil, []string{"create", "c"}, "created"},
		{"delete", [][]string{{"create", "c"}}, []string{"delete", "c"}, "created stopped"},
	} {
		t.Run(s.name, func(t *testing.T) {
			b := newFaultBox(t)
			for _, p := range b.trace(s.before, s.args) {
				b.prepare(s.before)
				if r := b.runEnv([]string{"RUNCELL_FAULT=" + p}, s.args...); r.status != -1 {
					t.Errorf("at %q: status %d: %s", p, r.status, r.stderr)
				}
				b.ok("recover")
				if r := b.run("state", "c"); r.status == 0 {
					status := regexp.MustCompile(`"status": "(\w+)"`).FindStringSubmatch(r.stdout)
					if len(status) != 2 || !strings.Contains(s.whole, status[1]) {
						t.Errorf("at %q: left %s", p, r.stdout)
					}
					b.ok("delete", "--force", "c")
				}
				if left := processesOf(b.bundle); len(left) > 0 {
					t.Errorf("at %q: processes left: %v", p, left)
				}
				if left := b.ids(); len(left) > 0 {
					t.Errorf("at %q: containers left: %v", p, left)
				}
			}
		})
	}
}

// After a reboot a record's cell is gone, or its number is another's.
func TestRecoverAfterReboot(t *testing.T) {
	b := newBox(t)
	b.ok("create", "old")
	b.ok("create", "other")
	b.ok("kill", "old", "KILL")
	for !strings.Contains(b.ok("state", "old"), `"stopped"`) {
		time.Sleep(time.Millisecond)
	}
	file := filepath.Join(b.root, "old", "state.json")
	record, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, regexp.MustCompile(`"cell":1\b`).ReplaceAll(record, []byte(`"cell":2`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := b.run("wait", "old"); r.status == 0 || !strings.Contains(r.stderr, "its cell is gone") {
		t.Errorf("wait = %d, %q; want nothing of another container's cell", r.status, r.stderr)
	}
	if out := b.ok("recover"); out != "old: its cell is gone\n" {
		t.Errorf("recover said %q", out)
	}
	if out := b.ok("list", "-q"); out != "other\n" {
		t.Errorf("list said %q", out)
	}
	if out := b.ok("recover"); out != "" {
		t.Errorf("the second recover said %q", out)
	}
	b.ok("start", "other")
	b.ok("delete", "--force", "other")
}

// A record that can't be read, as a power failure leaves one, keeps nothing from
// being recovered; but what still has a cell is for somebody to look at.
func TestRecoverUnreadable(t *testing.T) {
	b := newBox(t)
	b.ok("run", "--detach", "runs")
	record := filepath.Join(b.root, "runs", "state.json")
	was, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for id, text := range map[string]string{"empty": "", "zeros": strings.Repeat("\x00", 512), "half": string(was[:len(was)/2]), "runs": ""} {
		if err := os.MkdirAll(filepath.Join(b.root, id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.root, id, "state.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.run("recover"); r.status == 0 || !strings.Contains(r.stderr, "runs/state.json") || strings.Count(r.stdout, "its record can't be read, and its cell is gone") != 3 {
		t.Errorf("recover = %d, %q, %q; want three removed, and the one that runs told", r.status, r.stdout, r.stderr)
	}
	if err := os.WriteFile(record, was, 0o600); err != nil {
		t.Fatal(err)
	}
	if left := b.ids(); len(left) != 1 || !strings.Contains(b.ok("state", "runs"), `"running"`) {
		t.Errorf("recover leaves %q; want what runs", left)
	}
	b.ok("delete", "--force", "runs")
}

// TestFailedUndoIsFound: a create that fails for want of descriptors, and for
// the same reason can't undo all it did, leaves nothing that stops the next
// create of the id.
func TestFailedUndoIsFound(t *testing.T) {
	b := newBox(t)
	for n := 6; ; n++ {
		script := fmt.Sprintf("#!/bin/sh\nexec /usr/bin/prlimit --nofile=%d:%d %s \"$@\"\n", n, n, runcellBin())
		b.bin = filepath.Join(t.TempDir(), "runcell")
		if err := os.WriteFile(b.bin, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		limited := b.run("create", "c")
		b.bin = runcellBin()
		if limited.status == 0 {
			b.ok("delete", "--force", "c")
			return
		}
		if r := b.run("create", "c"); r.status != 0 {
			t.Errorf("create after one with %d descriptors = %d: %s\nthat one said: %s", n, r.status, r.stderr, limited.stderr)
		}
		b.ok("delete", "--force", "c")
	}
}

// TestLostRecord: a container whose state somebody removed stops the next
// create of its id, which says the way out.
func TestLostRecord(t *testing.T) {
	b := newBox(t)
	b.ok("run", "--detach", "c")
	if err := os.RemoveAll(filepath.Join(b.root, "c")); err != nil {
		t.Fatal(err)
	}
	if r := b.run("create", "c"); r.status != 1 || !strings.Contains(r.stderr, "`runcell delete --force c`") {
		t.Errorf("create = %d, %q; want the way out", r.status, r.stderr)
	}
	b.ok("delete", "--force", "c")
	b.ok("create", "c")
	b.ok("delete", "--force", "c")
}
