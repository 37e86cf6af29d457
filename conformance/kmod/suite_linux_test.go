package kmod

import (
	"testing"

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
