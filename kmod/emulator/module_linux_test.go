package emulator

// The emulator as the published module.

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// publishedSpec is what the published module can carry out.
func publishedSpec(p policy.Profile) kmod.Spec {
	return kmod.Spec{Name: p.String(), Profile: p, Permissions: policy.Published(p)}
}

func TestPublishedFeatures(t *testing.T) {
	h := newHostAs(t, Published)
	f := h.can()
	if f.Backend != "emulator" || f.ABI != 0 || f.MaxGroups != kmod.MaxGroups {
		t.Errorf("Features = %+v", f)
	}
	for _, s := range f.List() {
		want := kmod.Absent
		if s.Name == "profiles" || s.Name == "ports" {
			want = kmod.Enforced
		}
		if s.Level != want || want == kmod.Absent && s.Reason == "" {
			t.Errorf("%s = %+v; want %s", s.Name, s.Support, want)
		}
	}
}

func TestPublishedRefuses(t *testing.T) {
	h := newHostAs(t, Published)
	addr := netip.MustParseAddr("192.0.2.1")
	for name, change := range map[string]func(*kmod.Spec){
		"a permission more": func(s *kmod.Spec) { s.Permissions = s.Permissions.With(policy.Mount) },
		"a permission less": func(s *kmod.Spec) { s.Permissions = s.Permissions.Without(policy.Kill) },
		"no network":        func(s *kmod.Spec) { s.Network = kmod.NetworkNone },
		"addresses":         func(s *kmod.Spec) { s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{addr} },
		"a tcp port":        func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 80, Proto: "tcp"}} },
		"a port's address":  func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 80, Addr: addr}} },
	} {
		s := publishedSpec(policy.High)
		s.Root = h.rootfs
		change(&s)
		if id, err := h.Create(s); !errors.Is(err, kmod.ErrUnsupported) {
			t.Errorf("%s: Create = %d, %v; want ErrUnsupported", name, id, err)
		}
	}
}

// A cell has no device nodes but at profile low, and no process limit; members
// are listed and killed all the same.
func TestPublishedCell(t *testing.T) {
	h := newHostAs(t, Published)
	if err := deviceHook(); err != nil {
		t.Fatalf("this machine cannot close device nodes: %v", err)
	}
	for p, want := range map[policy.Profile]string{policy.Low: "ok", policy.Medium: "EPERM", policy.High: "EPERM"} {
		s := publishedSpec(p)
		s.MaxProcesses = 1
		id := h.cell(s)
		first := h.start(id, "wait")
		first.line()
		h.binds(id, map[string]string{"null": want, "unix": "ok"})
		if pids, err := h.Processes(id); err != nil || !slices.Equal(pids, []int{first.pid}) {
			t.Errorf("Processes = %v, %v; want %d", pids, err, first.pid)
		}
		if _, err := h.Wait(context.Background(), id); !errors.Is(err, kmod.ErrUnsupported) {
			t.Errorf("Wait = %v; want ErrUnsupported", err)
		}
		h.end(id)
	}
}

// All cells of a root are of one module: whoever asks for another is told,
// whoever does not ask gets that one, and without cells the choice is free.
func TestModuleOfARoot(t *testing.T) {
	h := newHostAs(t, Published)
	h.cell(publishedSpec(policy.High))
	const other = "are the published module's, not the current one's"
	if _, err := OpenAs(h.root, Current); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("OpenAs of another module = %v; want %q", err, other)
	}
	for _, m := range []Module{"", Published} {
		k, err := OpenAs(h.root, m)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := k.Features(); err != nil || f.ABI != 0 {
			t.Errorf("as %q: Features = %+v, %v; want those of the cells' module", m, f, err)
		}
		s := publishedSpec(policy.Low)
		s.Root = h.rootfs
		s.Name += string(m)
		if _, err := k.Create(s); err != nil {
			t.Errorf("as %q: Create = %v", m, err)
		}
	}
	cells, err := h.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range cells {
		h.end(x.ID)
	}
	k, err := OpenAs(h.root, "")
	if err != nil {
		t.Fatal(err)
	}
	last, err := k.Create(kmod.Spec{Name: "new", Root: h.rootfs, Network: kmod.NetworkNone})
	if err != nil || last != cells[0].ID+1 {
		t.Errorf("Create without cells = %d, %v; want %d, of the current module", last, err, cells[0].ID+1)
	}
	b, err := os.ReadFile(filepath.Join(h.root, stateDir, stateFile))
	if err != nil || !strings.HasPrefix(string(b), "cells 3 ") {
		t.Errorf("file = %q, %v; want the current module's", b, err)
	}
	for what, call := range map[string]func() error{
		"List": func() error { _, err := h.List(); return err },
		"Create": func() error {
			_, err := h.Create(kmod.Spec{Name: "y", Root: h.rootfs, Permissions: policy.Defaults(policy.Low)})
			return err
		},
		"Enter":   func() error { _, err := h.Enter(last); return err },
		"Destroy": func() error { return h.Destroy(last) },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "are the current module's, not the published one's") {
			t.Errorf("%s by a client of the other module = %v; want an error", what, err)
		}
	}
	if err := k.Kill(last, int(unix.SIGKILL)); err != nil {
		t.Error(err)
	}
	if err := k.Destroy(last); err != nil {
		t.Error(err)
	}
}

func TestParseModule(t *testing.T) {
	for _, s := range []string{"", "current", "published"} {
		if m, err := ParseModule(s); err != nil || string(m) != s {
			t.Errorf("ParseModule(%q) = %q, %v", s, m, err)
		}
	}
	if _, err := ParseModule("newest"); err == nil || !strings.Contains(err.Error(), "use current or published") {
		t.Errorf("ParseModule(newest) = %v; want an error", err)
	}
}

func TestWithoutDevices(t *testing.T) {
	for p, want := range map[policy.Profile]bool{policy.Low: false, policy.Medium: true, policy.High: true} {
		s := &kmod.Spec{Profile: p}
		if got := Published.withoutDevices(s); got != want {
			t.Errorf("the published module's cell at %s is without devices: %v", p, got)
		}
		if Current.withoutDevices(s) {
			t.Errorf("the current module's cell at %s is without devices", p)
		}
	}
}

// A host that can't close device nodes says so, and has cells all the same.
func TestDevicesThatCannotBeClosed(t *testing.T) {
	h := newHost(t)
	onThread(func() {
		if err := forbid(unix.SYS_BPF, 0, 0, unix.EPERM); err != nil {
			t.Error(err)
			return
		}
		k, err := OpenAs(h.root, Published)
		if err != nil {
			t.Error(err)
			return
		}
		if f, err := k.Features(); err != nil || !strings.Contains(f.Devices.Reason, "could not close them") {
			t.Errorf("Features = %+v, %v; want why devices stay open", f.Devices, err)
		}
		s := publishedSpec(policy.High)
		s.Root = h.rootfs
		if err := lifeOf(k, s); err != nil {
			t.Error(err)
		}
	})
	if f := newHostAs(t, Published).can(); strings.Contains(f.Devices.Reason, "could not close them") {
		t.Errorf("Features = %+v here, where they can be closed", f.Devices)
	}
}
