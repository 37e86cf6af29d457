package kmod

import (
	"os"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod"
)

// TestRemains looks for the control groups of a cell that is there: the sweep
// after each case must not be blind.
func TestRemains(t *testing.T) {
	root := t.TempDir()
	client, err := node.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	f, err := client.Features()
	if err != nil {
		t.Fatal(err)
	}
	if f.Ports.Level != kmod.Enforced {
		t.Skip("this host has no cgroup v2: " + f.Ports.Reason)
	}
	id, err := client.Create(kmod.Spec{Name: "remains", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if left := remains(root); len(left) == 0 {
		t.Errorf("remains of a cell that is there = none")
	}
	if err := client.Destroy(id); err != nil {
		t.Fatal(err)
	}
	if left := remains(root); len(left) != 0 {
		t.Errorf("remains of a cell that is gone = %v", left)
	}
}

// TestMine lists the cells of two cases on one machine.
func TestMine(t *testing.T) {
	root := t.TempDir()
	client, err := node.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &world{t: &harness.T{Token: "cf1x", Dir: dir}, k: client}
	for _, s := range []kmod.Spec{{Name: "cf1x-1", Root: "/"}, {Name: "other", Root: dir}, {Name: "cf11x-1", Root: dir + "s"}} {
		if s.Root != "/" {
			if err := os.MkdirAll(s.Root, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		id, err := client.Create(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := client.Destroy(id); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { _ = os.Remove(dir + "s") })
	cells, err := w.mine()
	if err != nil || len(cells) != 2 || cells[0].Name != "other" || cells[1].Name != "cf1x-1" {
		t.Errorf("mine = %+v, %v; want the two with the case's name or root", cells, err)
	}
}
