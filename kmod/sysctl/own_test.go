package sysctl

// The client of this project's module: policy, members, signals, counts and
// exit statuses by their nodes.

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// own is a kernel with this project's module and a client of it.
func own() (*fakeKernel, *client) {
	k := newOwnFake()
	return k, newClient(k)
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// samePolicy compares what the kernel got with the spec, field by field.
func samePolicy(t *testing.T, w *wire.Policy, id kmod.ID, s *kmod.Spec) {
	t.Helper()
	network := map[kmod.Network]uint32{"": 0, kmod.NetworkHost: 0, kmod.NetworkAddresses: 1, kmod.NetworkNone: 2}
	if w.ID != uint32(id) || w.Permissions != uint64(s.Permissions) || w.Network != network[s.Network] || w.MaxProcesses != s.MaxProcesses {
		t.Errorf("policy = %+v; want that of %+v", w, s)
	}
	var addresses []netip.Addr
	for _, a := range w.Addresses[:w.NAddresses] {
		addresses = append(addresses, goAddr(a.Family, a.Addr))
	}
	var ports []kmod.Port
	for _, p := range w.Ports[:w.NPorts] {
		proto := map[uint8]string{0: "", 6: "tcp", 17: "udp"}
		ports = append(ports, kmod.Port{Port: p.Port, Addr: goAddr(p.Family, p.Addr), Proto: proto[p.Proto]})
	}
	var devices []kmod.Device
	for _, d := range w.Devices[:w.NDevices] {
		devices = append(devices, kmod.Device{Type: map[uint8]string{1: "c", 2: "b"}[d.Type], Major: d.Major, Minor: d.Minor})
	}
	if !slices.Equal(addresses, s.Addresses) || !slices.Equal(ports, s.Ports) || !slices.Equal(devices, s.Devices) {
		t.Errorf("policy has %v, %v, %v; want %v, %v, %v", addresses, ports, devices, s.Addresses, s.Ports, s.Devices)
	}
}

func goAddr(family uint8, b [16]uint8) netip.Addr {
	switch family {
	case 4:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 6:
		return netip.AddrFrom16(b)
	}
	return netip.Addr{}
}

// wholeSpec is one that the published module can't carry out.
func wholeSpec(name, root string) kmod.Spec {
	s := spec(name, root)
	s.Permissions = s.Permissions.Without(policy.Kill).With(policy.RawDevice)
	s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}
	s.Ports = []kmod.Port{{Port: 80}, {Port: 80, Proto: "udp"}, {Port: 443, Addr: addr("192.0.2.1"), Proto: "tcp"}, {Port: 443, Addr: addr("2001:db8::1")}}
	s.Devices = []kmod.Device{{Type: "c", Major: 3, Minor: 4}, {Type: "b", Major: 3, Minor: 4}}
	s.MaxProcesses, s.RlimitNofile = 64, 1024
	return s
}

func TestOwnCreate(t *testing.T) {
	k, c := own()
	s := wholeSpec("web", "/cells/a")
	id := mustCreate(t, c, s)
	got := k.cells[0]
	if len(got.ports) != 0 || got.flags != wire.CreateProfile|wire.CreateRlimitNofile || got.rlim[0] != 1024 {
		t.Errorf("create got %+v; want no ports", got)
	}
	samePolicy(t, &got.policy, id, &s)
	list, err := c.List()
	if err != nil || len(list) != 1 || list[0].Name != "web" {
		t.Errorf("List = %v, %v", list, err)
	}
	none := spec("none", "/cells/b")
	none.Network = kmod.NetworkNone
	id = mustCreate(t, c, none)
	samePolicy(t, &k.cells[0].policy, id, &none)
}

// A module of version 2 has a shorter policy, and no devices in it.
func TestVersion2(t *testing.T) {
	k, c := own()
	k.abi = 2
	s := wholeSpec("web", "/cells/a")
	if _, err := c.Create(s); !errors.Is(err, kmod.ErrUnsupported) || len(k.cells) != 0 {
		t.Errorf("Create with devices = %v, %d cells; want ErrUnsupported", err, len(k.cells))
	}
	s.Devices = nil
	id := mustCreate(t, c, s)
	samePolicy(t, &k.cells[0].policy, id, &s)
	if err := c.Limit(id, 5); err != nil || k.cells[0].policy.MaxProcesses != 5 {
		t.Errorf("Limit = %v, %d", err, k.cells[0].policy.MaxProcesses)
	}
	if err := c.Reserve(kmod.Reservations{Ports: []kmod.Port{{Port: 22}}}); err != nil || k.host.NPorts != 1 {
		t.Errorf("Reserve = %v, %d", err, k.host.NPorts)
	}
	f, err := c.Features()
	if err != nil || f.ABI != 2 || f.DeviceList.Level != kmod.Absent || f.LinuxSignals() == "" {
		t.Errorf("Features = %+v, %v", f, err)
	}
}

func TestOwnCreateErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(*fakeKernel)
		spec  func(*kmod.Spec)
		want  error
		text  string
	}{
		{"name in use", nil, func(s *kmod.Spec) { s.Name, s.Ports = "taken", []kmod.Port{{Port: 80}} }, kmod.ErrExists, ""},
		{"port reserved", nil, func(s *kmod.Spec) {
			s.Ports = []kmod.Port{{Port: 8080}, {Port: 80, Addr: addr("192.0.2.1"), Proto: "tcp"}}
		}, kmod.ErrPortInUse, "8080, 192.0.2.1:80/tcp"},
		{"no room for a policy", func(k *fakeKernel) { k.without = "policy" }, nil, kmod.ErrUnavailable, "cell.policy does not exist"},
		{"no root", nil, func(s *kmod.Spec) { s.Root = "/cells/none" }, syscall.ENOENT, "does not exist"},
		{"not root", func(k *fakeKernel) { k.self.uid = 1000 }, nil, syscall.EPERM, "only root on the host"},
		{"wildcard", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 1, Addr: addr("::")}} }, syscall.EINVAL, "leave it out"},
		{"mapped", nil, func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 1, Addr: addr("::ffff:192.0.2.1")}} }, syscall.EINVAL, "IPv4, 192.0.2.1"},
		{"zone", nil, func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{addr("fe80::1%wm0")}
		}, syscall.EINVAL, "leave out %wm0"},
		{"address twice", nil, func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{addr("::1"), addr("::1")}
		}, syscall.EINVAL, "addresses[1]: ::1 is given twice"},
		{"no addresses", nil, func(s *kmod.Spec) { s.Network = kmod.NetworkAddresses }, syscall.EINVAL, "no addresses are given"},
		{"addresses without", nil, func(s *kmod.Spec) { s.Addresses = []netip.Addr{addr("::1")} }, syscall.EINVAL, `use "addresses"`},
		{"33 addresses", nil, func(s *kmod.Spec) {
			s.Network = kmod.NetworkAddresses
			for i := range 33 {
				s.Addresses = append(s.Addresses, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			}
		}, syscall.EINVAL, "33 given, at most 32 fit"},
		{"unknown permission", nil, func(s *kmod.Spec) { s.Permissions |= 1 << 63 }, syscall.EINVAL, "permission(63)"},
		{"unknown network", nil, func(s *kmod.Spec) { s.Network = "bridge" }, syscall.EINVAL, "use host, addresses or none"},
	} {
		k, c := own()
		taken := spec("taken", "/cells/b")
		taken.Ports = []kmod.Port{{Port: 80}}
		mustCreate(t, c, taken)
		if tt.setup != nil {
			tt.setup(k)
			c = newClient(k)
		}
		s := spec("new", "/cells/a")
		if tt.spec != nil {
			tt.spec(&s)
		}
		_, err := c.Create(s)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: Create = %v; want %v, saying %q", tt.name, err, tt.want, tt.text)
		}
		if len(k.cells) != 1 {
			t.Errorf("%s: %d cells are left; want 1", tt.name, len(k.cells))
		}
	}
}

func TestOwnFeatures(t *testing.T) {
	for abi, want := range map[uint32]error{3: nil, 1 << 31: nil} {
		k := newFake()
		k.abi = abi
		f, err := newClient(k).Features()
		if !errors.Is(err, want) || f.ABI != wire.Version || f.Backend != "secmodel_cell" || f.MaxGroups != 16 {
			t.Errorf("abi %d: Features = %+v, %v", abi, f, err)
		}
		for _, s := range f.List() {
			if s.Level != kmod.Enforced {
				t.Errorf("abi %d: %s is %s; want enforced", abi, s.Name, s.Level)
			}
		}
	}
	for what, garble := range map[string]func([]byte) []byte{
		"0":       func(b []byte) []byte { clear(b); return b },
		"3 bytes": func(b []byte) []byte { return b[:3] },
		"8 bytes": func(b []byte) []byte { return append(b, b...) },
	} {
		k := newOwnFake()
		k.garbled, k.garble = "abi", garble
		if f, err := newClient(k).Features(); err == nil {
			t.Errorf("abi is %s: Features = %+v; want an error", what, f)
		}
	}
	k := newOwnFake()
	k.without = "status"
	if _, err := newClient(k).Features(); !errors.Is(err, kmod.ErrUnavailable) {
		t.Errorf("Features without node status = %v; want ErrUnavailable", err)
	}
}

// A cell that is none is ErrNotFound everywhere, and 0, the host, before the
// kernel is asked.
func TestOwnNotFound(t *testing.T) {
	k, c := own()
	k.start(mustCreate32(t, c))
	for _, id := range []kmod.ID{0, 9} {
		for what, call := range map[string]func() error{
			"Enter":     func() error { _, err := c.Enter(id); return err },
			"Processes": func() error { _, err := c.Processes(id); return err },
			"Kill":      func() error { return c.Kill(id, sigKill) },
			"Stats":     func() error { _, err := c.Stats(id); return err },
			"Wait":      func() error { _, err := c.Wait(context.Background(), id); return err },
			"Destroy":   func() error { return c.Destroy(id) },
		} {
			if err := call(); !errors.Is(err, kmod.ErrNotFound) {
				t.Errorf("%s(%d) = %v; want ErrNotFound", what, id, err)
			}
		}
	}
	k.self.uid = 1000
	if _, err := c.Processes(1); !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "only root on the host") {
		t.Errorf("Processes by a user = %v; want EPERM", err)
	}
}

func mustCreate32(t *testing.T, c *client) uint32 {
	t.Helper()
	return uint32(mustCreate(t, c, spec("a", "/cells/a")))
}

func TestOwnMembers(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	if pids, err := c.Processes(1); err != nil || len(pids) != 0 {
		t.Errorf("Processes of an empty cell = %v, %v", pids, err)
	}
	first := k.start(id)
	k.spawn(id)
	k.exit(k.spawn(id), 0)
	if pids, err := c.Processes(1); err != nil || !slices.Equal(pids, []int{first.pid, first.pid + 1}) {
		t.Errorf("Processes = %v, %v; want the two that run", pids, err)
	}
	if err := c.Kill(1, 15); err != nil || k.cells[0].dying {
		t.Errorf("Kill 15 = %v, dying %v", err, k.cells[0].dying)
	}
	if k.reaped != 0 || len(k.log) != 0 {
		t.Errorf("a helper was used: %v", k.log)
	}
}

// A fork that was on its way when the cell began to die is caught by the next
// pass.
func TestOwnKill(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	passes := 0
	k.onKill = func() {
		if passes++; passes < 4 {
			k.spawn(id)
		}
	}
	if err := c.Kill(1, sigKill); err != nil {
		t.Fatal(err)
	}
	if left := k.living(id); len(left) != 0 || !k.cells[0].dying || passes != 4 {
		t.Errorf("%d are left after %d passes, dying %v; want 0, 4, true", len(left), passes, k.cells[0].dying)
	}
	if err := c.Kill(1, sigKill); err != nil {
		t.Errorf("Kill without members = %v; want no error", err)
	}
	if err := c.Kill(1, 64); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Kill 64 = %v; want EINVAL", err)
	}
	k.onKill = func() { k.spawn(id) } // one that does not die
	c.patience = 10 * time.Millisecond
	if err := c.Kill(1, sigKill); !errors.Is(err, kmod.ErrBusy) || !strings.Contains(err.Error(), "1 processes still run") {
		t.Errorf("Kill of what does not die = %v; want ErrBusy", err)
	}
}

func TestOwnEnter(t *testing.T) {
	k, c := own()
	s := spec("a", "/cells/a")
	s.MaxProcesses = 1
	mustCreate(t, c, s)
	e, err := c.Enter(1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	enter := func() syscall.Errno {
		p := k.spawn(0)
		p.root = "/cells/a"
		return (&fakeMachine{k: k, p: p}).step(&e.Steps[0])
	}
	if errno := enter(); errno != 0 || k.cells[0].status.Pid != 201 {
		t.Errorf("entry = %v, status %+v; want the first process", errno, k.cells[0].status)
	}
	if errno := enter(); errno != syscall.EAGAIN {
		t.Errorf("entry above the limit = %v; want EAGAIN", errno)
	}
	k.cells[0].dying = true
	if errno := enter(); errno != syscall.EBUSY {
		t.Errorf("entry of a dying cell = %v; want EBUSY", errno)
	}
}

func TestOwnStats(t *testing.T) {
	k, c := own()
	k.start(mustCreate32(t, c))
	if s, err := c.Stats(1); err != nil || s.Processes != 1 || s.Denials == nil || len(s.Denials) != 0 || s.LastDenied != "" {
		t.Errorf("Stats = %+v, %v; want 1 process", s, err)
	}
	row := policy.Find(policy.Request{Scope: policy.ScopeSystem, Action: "KAUTH_SYSTEM_MODULE"})
	st := &k.cells[0].stats
	st.Denials, st.LastTime, st.LastClass = [8]uint64{wire.ScopeSystem: 3, wire.ScopeGeneric: 1, 7: 2}, 5, uint32(row.Class)
	s, err := c.Stats(1)
	if err != nil || len(s.Denials) != 3 || s.Denials["system"] != 3 || s.Denials["generic"] != 1 || s.Denials["scope 7"] != 2 ||
		s.LastDenied != "system.module" {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	for class, want := range map[uint32]string{90: "class 90", 1 << 16: "class 65536"} {
		st.LastClass = class
		if s, err := c.Stats(1); err != nil || s.LastDenied != want {
			t.Errorf("Stats = %+v, %v; want %q", s, err, want)
		}
	}
}

// The order of the counts is the order of the policy's scopes.
func TestScopes(t *testing.T) {
	for i, want := range map[int]policy.Scope{
		wire.ScopeSystem: policy.ScopeSystem, wire.ScopeProcess: policy.ScopeProcess, wire.ScopeNetwork: policy.ScopeNetwork,
		wire.ScopeDevice: policy.ScopeDevice, wire.ScopeMachdep: policy.ScopeMachdep, wire.ScopeVnode: policy.ScopeVnode,
		wire.ScopeGeneric: policy.ScopeGeneric,
	} {
		if got := scopeName(i); got != string(want) {
			t.Errorf("scope %d is %s; want %s", i, got, want)
		}
	}
	if kmod.MaxAddresses != wire.AddressMax {
		t.Errorf("kmod.MaxAddresses = %d; want %d", kmod.MaxAddresses, wire.AddressMax)
	}
}

func TestOwnWait(t *testing.T) {
	const exit42 = 42 << 8
	for name, tt := range map[string]struct {
		setup func(k *fakeKernel, first *fakeProc)
		want  uint32
		err   error
	}{
		"ended before": {func(k *fakeKernel, p *fakeProc) { k.exit(p, exit42) }, exit42, nil},
		"ends while watched": {func(k *fakeKernel, p *fakeProc) {
			k.onWait = func() { k.exit(p, exit42) }
		}, exit42, nil},
		"ends and is reaped before the event is asked for": {func(k *fakeKernel, p *fakeProc) {
			k.onWatch = func() {
				k.exit(p, exit42)
				k.procs = nil
			}
		}, exit42, nil},
		"its pid is another's when the event is asked for": {func(k *fakeKernel, p *fakeProc) {
			k.onWatch = func() {
				k.exit(p, exit42)
				k.procs = append(k.procs[:1], &fakeProc{pid: p.pid, stat: 2})
			}
		}, exit42, nil},
		"destroyed before it is asked again": {func(k *fakeKernel, p *fakeProc) {
			k.onWait = func() {
				k.exit(p, 9)
				k.cells = nil
			}
		}, 9, nil},
		"no first process": {func(k *fakeKernel, _ *fakeProc) { k.cells[0].status = wire.Status{} }, 0, kmod.ErrUnsupported},
		"destroyed":        {func(k *fakeKernel, _ *fakeProc) { k.cells = nil }, 0, kmod.ErrNotFound},
		"nonsense": {func(k *fakeKernel, _ *fakeProc) {
			k.garbled, k.garble = "status", func(b []byte) []byte { return b[:15] }
		}, 0, nil},
	} {
		k, c := own()
		first := k.start(mustCreate32(t, c))
		tt.setup(k, first)
		got, err := c.Wait(context.Background(), 1)
		if name == "nonsense" && err != nil {
			continue
		}
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: Wait = %#x, %v; want %#x, %v", name, got, err, tt.want, tt.err)
		}
		if k.watching != 0 {
			t.Errorf("%s: %d watches are open", name, k.watching)
		}
	}
}

// The kernel ends a process in steps: for a moment it can't be watched any
// more and has no status yet.
func TestOwnWaitWhileEnding(t *testing.T) {
	k, c := own()
	first := k.start(mustCreate32(t, c))
	tries := 0
	k.onWatch = func() {
		first.stat = statZombie // without a status
		if tries++; tries == 3 {
			k.exit(first, 7)
		}
	}
	if got, err := c.Wait(context.Background(), 1); err != nil || got != 7 || tries != 3 {
		t.Errorf("Wait = %d, %v after %d tries; want 7 after 3", got, err, tries)
	}
	k.onWatch, c.patience = nil, 5*time.Millisecond
	k.cells[0].status.State = wire.StateRunning
	if _, err := c.Wait(context.Background(), 1); err == nil || !strings.Contains(err.Error(), "has gone") {
		t.Errorf("Wait for a status that never comes = %v; want an error", err)
	}
}

// What the event tells is not the status before the module has it.
func TestOwnWaitForTheStatus(t *testing.T) {
	k, c := own()
	first := k.start(mustCreate32(t, c))
	tries := 0
	k.onWait = func() { first.stat = statZombie } // without a status
	k.onWatch = func() {
		if tries++; tries == 2 {
			k.exit(first, 7)
		}
	}
	if got, err := c.Wait(context.Background(), 1); err != nil || got != 7 || tries != 2 {
		t.Errorf("Wait = %d, %v after %d tries; want 7 after 2", got, err, tries)
	}
}

// Who can't watch a process does not ask again.
func TestOwnWaitThatFails(t *testing.T) {
	k, c := own()
	c.patience = 5 * time.Millisecond
	k.start(mustCreate32(t, c))
	k.watchErr = syscall.EMFILE
	if _, err := c.Wait(context.Background(), 1); !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "watch process 201") {
		t.Errorf("Wait = %v; want EMFILE of the watch", err)
	}
}

func TestOwnWaitEndsWithItsContext(t *testing.T) {
	k, c := own()
	first := k.start(mustCreate32(t, c))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || k.watching != 0 {
		t.Errorf("Wait = %v, %d watches are open; want the deadline's error", err, k.watching)
	}
	first.stat = statZombie // and no status: it asks again
	if _, err := c.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v; want the deadline's error", err)
	}
}

// No process is 0, which stands for the caller's own group, and pids are sorted.
func TestDecodePids(t *testing.T) {
	for _, c := range []struct{ says, want []int32 }{
		{[]int32{9, 7, 8}, []int32{7, 8, 9}},
		{nil, nil},
		{[]int32{7, 0}, []int32{-1}},
		{[]int32{-7}, []int32{-1}},
	} {
		var b []byte
		for _, pid := range c.says {
			b = binary.NativeEndian.AppendUint32(b, uint32(pid))
		}
		pids, err := decodePids(b)
		got := []int32{-1}
		if err == nil {
			got = nil
			for _, pid := range pids {
				got = append(got, int32(pid))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("pids %v are read as %v, %v; want %v", c.says, pids, err, c.want)
		}
	}
}

// A first process that there is has a pid, and no state but the three.
func TestDecodeStatus(t *testing.T) {
	for s, fine := range map[wire.Status]bool{
		{State: wire.StateEmpty}:            true,
		{State: wire.StateRunning, Pid: 1}:  true,
		{State: wire.StateEnded, Pid: 1}:    true,
		{State: 3, Pid: 1}:                  false,
		{State: wire.StateRunning}:          false,
		{State: wire.StateEnded}:            false,
		{State: wire.StateRunning, Pid: -1}: false,
	} {
		if got, err := decodeStatus(view(&s), 0); (err == nil) != fine {
			t.Errorf("%+v is read as %+v, %v", s, got, err)
		}
	}
}

// What the kernel says is not believed blindly.
func TestOwnReplies(t *testing.T) {
	for node, call := range map[string]func(c *client) error{
		"procs":  func(c *client) error { _, err := c.Processes(1); return err },
		"kill":   func(c *client) error { return c.Kill(1, 15) },
		"stats":  func(c *client) error { _, err := c.Stats(1); return err },
		"status": func(c *client) error { _, err := c.Wait(context.Background(), 1); return err },
	} {
		for what, garble := range map[string]func([]byte) []byte{
			"cut short":     func(b []byte) []byte { return b[:len(b)-1] },
			"another cell":  func(b []byte) []byte { b[0] ^= 0xff; return b },
			"a negative id": func(b []byte) []byte { copy(b, view(new(int32(-1)))); return b },
		} {
			if what != "cut short" && node == "kill" || what == "another cell" && node == "procs" {
				continue // a number may be any
			}
			k, c := own()
			k.exit(k.start(mustCreate32(t, c)), 0)
			k.spawn(1)
			k.garbled, k.garble = node, garble
			if err := call(c); err == nil {
				t.Errorf("%s, %s: no error", node, what)
			}
		}
	}
	if unsafe.Sizeof(wire.Policy{}) != 1696 || unsafe.Offsetof(wire.Policy{}.Devices) != wire.PolicySize2 {
		t.Errorf("struct cell_policy has %d bytes", unsafe.Sizeof(wire.Policy{}))
	}
}
