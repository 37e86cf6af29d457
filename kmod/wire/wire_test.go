package wire_test

import (
	"testing"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// TestPublished holds the two published structures to the sizes and offsets
// that existing programs were compiled with.
func TestPublished(t *testing.T) {
	var c wire.Create
	var i wire.Info
	for _, tt := range []struct {
		what      string
		got, want uintptr
	}{
		{"sizeof(struct cell_create)", unsafe.Sizeof(c), 424},
		{"cc_ports", unsafe.Offsetof(c.Ports), 14},
		{"cc_rlimit_nofile", unsafe.Offsetof(c.RlimitNofile), 80},
		{"cc_name", unsafe.Offsetof(c.Name), 104},
		{"cc_root", unsafe.Offsetof(c.Root), 168},
		{"sizeof(struct cell_info)", unsafe.Sizeof(i), 400},
		{"ci_created_ns", unsafe.Offsetof(i.Created), 336},
		{"ci_proc_current", unsafe.Offsetof(i.Processes), 344},
		{"ci_rlimit_core", unsafe.Offsetof(i.RlimitCore), 392},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %d, want %d", tt.what, tt.got, tt.want)
		}
	}
}

// TestLimits: the client's limits are the wire's.
func TestLimits(t *testing.T) {
	if kmod.MaxName != wire.NameMax || kmod.MaxRoot != wire.RootMax || kmod.MaxPorts != wire.PortMax {
		t.Errorf("kmod has other limits than the wire")
	}
}

// TestNodes: every node is described, and those of the published module are
// exactly these.
func TestNodes(t *testing.T) {
	published := map[string]bool{"name": true, "id": true, "create": true, "destroy": true, "list": true}
	for _, n := range wire.Nodes {
		if n.Published != published[n.Name] {
			t.Errorf("node %s: published is %v", n.Name, n.Published)
		}
		if n.Does == "" || n.Request == "" && n.Reply == "" {
			t.Errorf("node %s is not described", n.Name)
		}
	}
}
