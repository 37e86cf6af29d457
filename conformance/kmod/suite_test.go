package kmod

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
)

// TestSuite checks the tables: names, clauses, reasons, operations.
func TestSuite(t *testing.T) {
	if err := Suite.Check(); err != nil {
		t.Error(err)
	}
	for _, c := range Suite.Cases {
		if group, name, ok := strings.Cut(c.Name, "/"); !ok || group == "" || name == "" || strings.ContainsAny(c.Name, " |#:") {
			t.Errorf("case name %q is not GROUP/NAME", c.Name)
		}
	}
	for subject, differences := range Suite.Expected {
		for name, reason := range differences {
			if len(reason) < 10 {
				t.Errorf("difference of %s, %s has no reason: %q", subject, name, reason)
			}
		}
	}
	for _, p := range powerTable {
		if !p.here() {
			continue
		}
		if args, ok := agent.Takes(p.op); !ok || args != len(p.args) || len(p.needs) == 0 {
			t.Errorf("power %s: operation %q with %d arguments, needs %v", p.name, p.op, len(p.args), p.needs)
		}
	}
}

// TestSizes pins what cases write and read to the published numbers.
func TestSizes(t *testing.T) {
	for name, x := range map[string]struct{ got, want int }{
		"policy": {len(pack(newPolicy(1))), policySize}, "full policy": {len(pack(fullPolicy(1))), policySize},
		"published create": {len(publishedCreate("a", "/", 0, nil, 0)), createSize}, "id": {len(packID(1)), idSize},
	} {
		if x.got != x.want {
			t.Errorf("%s has %d bytes; want %d", name, x.got, x.want)
		}
	}
	if got := publishedList(make([]byte, 3*infoSize+1)); len(got) != 3 {
		t.Errorf("list = %v; want 3 records", got)
	}
}

// TestRecords reads what kernels gave.
func TestRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tap")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := harness.ReadRecord(f)
		_ = f.Close()
		if err != nil || rec.Runtime != "secmodel_cell" || rec.Version == "" {
			t.Errorf("%s: ReadRecord = %+v, %v; want the module, and where it ran", name, rec, err)
		}
	}
}
