package sysctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

func spec(name, root string) kmod.Spec {
	return kmod.Spec{
		Name: name, Root: root, Profile: policy.Medium, Permissions: policy.Published(policy.Medium), Network: kmod.NetworkHost,
		RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited,
	}
}

func mustCreate(t *testing.T, c *client, s kmod.Spec) kmod.ID {
	t.Helper()
	id, err := c.Create(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCreateListDestroy(t *testing.T) {
	for i := range layouts {
		k := newFake()
		k.layout = &layouts[i]
		c := newClient(k)
		t.Run(k.layout.name, func(t *testing.T) {
			if list, err := c.List(); err != nil || len(list) != 0 {
				t.Errorf("List without cells = %v, %v", list, err)
			}
			s := spec("web-1", "/cells/a")
			s.Ports = []kmod.Port{{Port: 80}, {Port: 443}}
			s.RlimitNofile = 1024
			a := mustCreate(t, c, s)
			b := mustCreate(t, c, spec("db", "/cells/b"))
			if a != 1 || b != 2 {
				t.Errorf("ids = %d, %d; want 1, 2", a, b)
			}
			if got := k.cells[1]; !slices.Equal(got.ports, []uint16{80, 443}) || i == 0 && got.rlim != [3]uint64{1024} {
				t.Errorf("the kernel got %+v", got)
			}
			k.spawn(1)
			list, err := c.List()
			if err != nil {
				t.Fatal(err)
			}
			want := []kmod.Info{{ID: 2, Name: "db", Root: "/cells/b"}, {ID: 1, Name: "web-1", Root: "/cells/a", Processes: 1}}
			if i == 0 { // older ones do not tell
				want[0].Created, want[1].Created = 2*time.Second, time.Second
			}
			if !slices.Equal(list, want) {
				t.Errorf("List = %+v; want %+v", list, want)
			}
			if names, err := c.Names(); err != nil || !maps.Equal(names, map[kmod.ID]string{1: "web-1", 2: "db"}) {
				t.Errorf("Names = %v, %v", names, err)
			}
			// Another client has not seen a create and goes by the length.
			if other, err := newClient(k).List(); err != nil || !slices.Equal(other, want) {
				t.Errorf("another client's List = %+v, %v; want %+v", other, err, want)
			}
			if err := c.Destroy(1); !errors.Is(err, kmod.ErrBusy) {
				t.Errorf("Destroy with a member = %v; want ErrBusy", err)
			}
			for _, tt := range []struct {
				id   kmod.ID
				want error
			}{{2, nil}, {2, kmod.ErrNotFound}, {99, kmod.ErrNotFound}, {0, kmod.ErrNotFound}} {
				if err := c.Destroy(tt.id); !errors.Is(err, tt.want) {
					t.Errorf("Destroy(%d) = %v; want %v", tt.id, err, tt.want)
				}
			}
		})
	}
}

// 25 cells of the old layout are as long as 23 of the new one: the contents
// tell.
func TestAmbiguousListLength(t *testing.T) {
	for i, n := range []int{23, 25} {
		k := newFake()
		k.layout = &layouts[i]
		for j := range n {
			k.cells = append(k.cells, &fakeCell{id: uint32(n - j), name: fmt.Sprintf("c%d", j), root: "/cells/a"})
		}
		list, err := newClient(k).List()
		if err != nil || len(list) != n || list[n-1].ID != 1 || list[0].Name != "c0" {
			t.Errorf("layout %s: %d cells, %v; want %d", k.layout.name, len(list), err, n)
		}
	}
}

func TestCreateErrors(t *testing.T) {
	inCell := func(k *fakeKernel) { k.self.cell = 1 }
	for _, tt := range []struct {
		name  string
		setup func(*fakeKernel)
		spec  func(*kmod.Spec)
		want  error
		text  string
	}{
		{"name in use", nil, func(s *kmod.Spec) { s.Name = "taken" }, kmod.ErrExists, `create cell "taken": `},
		{"name in use, port too", nil, func(s *kmod.Spec) { s.Name, s.Ports = "taken", []kmod.Port{{Port: 80}} }, kmod.ErrExists, ""},
		{"port reserved", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 8080}, {Port: 80}} }, kmod.ErrPortInUse, "8080, 80"},
		{"no root", nil, func(s *kmod.Spec) { s.Root = "/cells/none" }, syscall.ENOENT, `root "/cells/none" does not exist`},
		{"root is a file", nil, func(s *kmod.Spec) { s.Root = "/etc/passwd" }, syscall.ENOTDIR, `root "/etc/passwd" is not a directory`},
		{"not root", func(k *fakeKernel) { k.self.uid = 1000 }, nil, syscall.EPERM, "only root on the host"},
		{"inside a cell", inCell, nil, syscall.EPERM, "not inside a cell"},
		{"ids used up", func(k *fakeKernel) { k.nextID = 0 }, nil, syscall.EOVERFLOW, "used up"},
		{"no module", func(k *fakeKernel) { k.absent = true }, nil, kmod.ErrUnavailable, "modload secmodel_cell"},
		{
			"unknown layout", func(k *fakeKernel) { k.layout = &layout{createSize: 512, infoSize: 512} }, nil,
			syscall.EINVAL, "tried 424 and 400 bytes",
		},
		{"empty name", nil, func(s *kmod.Spec) { s.Name = "" }, nil, "cell name is empty"},
		{"long name", nil, func(s *kmod.Spec) { s.Name = strings.Repeat("x", 64) }, nil, "64 bytes, at most 63 fit"},
		{"bad name", nil, func(s *kmod.Spec) { s.Name = "a+b" }, nil, "'+' is not allowed"},
		{"relative root", nil, func(s *kmod.Spec) { s.Root = "cells/a" }, nil, "must be an absolute path"},
		{"long root", nil, func(s *kmod.Spec) { s.Root = "/" + strings.Repeat("x", 255) }, nil, "256 bytes, at most 255 fit"},
		{"newline in root", nil, func(s *kmod.Spec) { s.Root = "/a\nb" }, nil, "control character 0xa"},
		{"bad profile", nil, func(s *kmod.Spec) { s.Profile = 3 }, nil, "profile 3"},
		{"port 0", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 80}, {}} }, nil, "reserved ports[1]: port 0"},
		{"port twice", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 81}, {Port: 81}} }, nil, "port 81 is given twice"},
		{"33 ports", nil, func(s *kmod.Spec) { s.Ports = make([]kmod.Port, 33) }, nil, "33 given, at most 32 fit"},
		{"port by protocol", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 81, Proto: "tcp"}} }, kmod.ErrUnsupported, "reserved ports[0]"},
		{"network none", nil, func(s *kmod.Spec) { s.Network = kmod.NetworkNone }, kmod.ErrUnsupported, `network "none"`},
		{"addresses", nil, func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{netip.MustParseAddr("192.0.2.1")}
		}, kmod.ErrUnsupported, "192.0.2.1"},
		{"fewer permissions", nil, func(s *kmod.Spec) { s.Permissions = s.Permissions.Without(policy.Kill) }, kmod.ErrUnsupported, "the three profiles only"},
	} {
		k := newFake()
		taken := spec("taken", "/cells/b")
		taken.Ports = []kmod.Port{{Port: 80}}
		c := newClient(k)
		mustCreate(t, c, taken)
		k.self.cell = 0
		if tt.setup != nil {
			tt.setup(k)
			c = newClient(k) // the layout is not known
		}
		s := spec("new", "/cells/a")
		if tt.spec != nil {
			tt.spec(&s)
		}
		_, err := c.Create(s)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: Create = %v; want %v, saying %q", tt.name, err, tt.want, tt.text)
		}
		if len(k.cells) != 1 {
			t.Errorf("%s: %d cells are left; want 1", tt.name, len(k.cells))
		}
	}
}

// The first create settles which structures the kernel has: no other is tried
// again.
func TestLayoutIsSettled(t *testing.T) {
	k := newFake()
	k.layout = &layouts[1]
	c := newClient(k)
	mustCreate(t, c, spec("a", "/cells/a"))
	if c.layout != &layouts[1] {
		t.Errorf("the layout is %v; want %s", c.layout, layouts[1].name)
	}
	k.layout = &layouts[0]
	if _, err := c.Create(spec("b", "/cells/b")); !errors.Is(err, syscall.EINVAL) || strings.Contains(err.Error(), "layout") {
		t.Errorf("Create = %v; want what the kernel says", err)
	}
}

// A name that was taken, and is not any more, was: no port is.
func TestNameWasTaken(t *testing.T) {
	k := newFake()
	c := newClient(k)
	mustCreate(t, c, spec("a", "/cells/a"))
	k.garble = func([]byte) []byte { return nil } // it has gone before the list is read
	if _, err := c.Create(spec("a", "/cells/a")); !errors.Is(err, kmod.ErrExists) || errors.Is(err, kmod.ErrPortInUse) {
		t.Errorf("Create = %v; want ErrExists", err)
	}
}

func TestDestroyInsideACell(t *testing.T) {
	k := newFake()
	c := newClient(k)
	mustCreate(t, c, spec("a", "/cells/a"))
	k.self.cell = 1
	if err := c.Destroy(1); !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "only root on the host destroys cells") {
		t.Errorf("Destroy = %v; want EPERM, and why", err)
	}
}

func TestListErrors(t *testing.T) {
	k := newFake()
	k.self.cell = 1
	if _, err := newClient(k).List(); !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "inside a cell") {
		t.Errorf("List inside a cell = %v", err)
	}
	k = newFake()
	mustCreate(t, newClient(k), spec("a", "/cells/a"))
	k.garble = func(b []byte) []byte { return append(b, make([]byte, 12)...) }
	if _, err := newClient(k).List(); err == nil || !strings.Contains(err.Error(), "unknown layout") {
		t.Errorf("List of 412 bytes = %v; want an error", err)
	}
	k.garble = nil
	k.absent = true
	if _, err := newClient(k).List(); !errors.Is(err, kmod.ErrUnavailable) {
		t.Errorf("List without the module = %v; want ErrUnavailable", err)
	}
}

func TestFeatures(t *testing.T) {
	f, err := newClient(newFake()).Features()
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Platforms) == 0 || f.Platforms[0] != "netbsd/"+runtime.GOARCH {
		t.Errorf("Platforms = %v; want this machine's first", f.Platforms)
	}
	if f.Backend != "secmodel_cell" || f.ABI != 0 || f.MaxGroups != 16 || f.Profiles.Level != kmod.Enforced || f.Ports.Level != kmod.Enforced {
		t.Errorf("Features = %+v", f)
	}
	for _, s := range f.List()[1:] {
		if s.Name != "ports" && (s.Level != kmod.Absent || s.Reason == "") {
			t.Errorf("%s = %+v; want absent, with a reason", s.Name, s.Support)
		}
	}
	k := newFake()
	k.absent = true
	if _, err := newClient(k).Features(); !errors.Is(err, kmod.ErrUnavailable) {
		t.Errorf("Features without the module = %v; want ErrUnavailable", err)
	}
	if _, err := newClient(newFake()).Wait(context.Background(), 1); !errors.Is(err, kmod.ErrUnsupported) {
		t.Errorf("Wait = %v; want ErrUnsupported", err)
	}
}
