package sysctl

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

func TestMembers(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	k.spawn(uint32(id)).uid = 7
	members, err := c.Members(kmod.ID(id))
	if err != nil || len(members) != 2 {
		t.Fatalf("Members = %+v, %v; want 2", members, err)
	}
	page := uint64(os.Getpagesize())
	want := kmod.Member{
		Pid: members[1].Pid, Parent: 1, UID: 7, Memory: 3 * page,
		CPU: kmod.CPU{Total: 2*time.Second + 750*time.Microsecond}, Command: "prog",
	}
	if members[1] != want {
		t.Errorf("second member = %+v; want %+v", members[1], want)
	}
	s, err := c.Stats(kmod.ID(id))
	if err != nil || s.Memory != 6*page || s.CPU.Total != 2*want.CPU.Total || s.Processes != 2 {
		t.Errorf("Stats = %+v, %v; want the sum of both", s, err)
	}
}

// A process that ends between the list and the look is left out.
func TestMembersThatGo(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	k.garbled, k.garble = "proc2", func([]byte) []byte { return nil }
	if members, err := c.Members(kmod.ID(id)); err != nil || len(members) != 0 {
		t.Errorf("Members = %+v, %v; want none", members, err)
	}
	// Another process is never taken for the one that was asked for.
	k.garble = func(b []byte) []byte {
		binary.NativeEndian.PutUint32(b[procPid:], 1)
		return b
	}
	if members, err := c.Members(kmod.ID(id)); err == nil {
		t.Errorf("Members = %+v; want an error: the reply is about another process", members)
	}
}

// A process that has gone is none, whichever way the kernel says it; another error
// is one.
func TestMember(t *testing.T) {
	for what, c := range map[string]struct {
		says reply
		want string
	}{
		"gone":             {reply{0, syscall.ESRCH}, ""},
		"nothing":          {reply{0, nil}, ""},
		"another errno":    {reply{0, syscall.EPERM}, "operation not permitted"},
		"half a structure": {reply{100, nil}, "100 bytes of a process, want 680"},
	} {
		m, ok, err := newClient(&replies{[]reply{c.says}}).member(7)
		if ok || (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s: %+v, %v, %v; want %q", what, m, ok, err, c.want)
		}
	}
}

// Where nothing was denied there is no time of it.
func TestNoDenial(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	if s, err := c.Stats(kmod.ID(id)); err != nil || s.Last != (kmod.Denial{}) {
		t.Errorf("Stats = %+v, %v; want no last denial", s, err)
	}
}

func TestBoottime(t *testing.T) {
	want := time.Unix(1000, 5)
	long := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 1000), 5)
	short := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint64(nil, 1000), 5)
	for _, b := range [][]byte{long, short} {
		if got, err := decodeBoottime(b); err != nil || !got.Equal(want) {
			t.Errorf("a boot time of %d bytes is %v, %v; want %v", len(b), got, err, want)
		}
	}
}

// A cell that goes between the look at its policy and the change is not there.
func TestLimitOfACellThatGoes(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.garbled, k.garble = "policy", func(b []byte) []byte {
		k.cells = nil
		return b
	}
	if err := c.Limit(kmod.ID(id), 5); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Limit = %v; want ErrNotFound", err)
	}
	if err := c.Limit(0, 5); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Limit of the host = %v; want ErrNotFound", err)
	}
}

func TestReserveInsideACell(t *testing.T) {
	k, c := own()
	k.self.cell = 1
	err := c.Reserve(kmod.Reservations{Ports: []kmod.Port{{Port: 22}}})
	if !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "only root on the host reserves for it") {
		t.Errorf("Reserve = %v; want EPERM, and why", err)
	}
}

func TestLastDenial(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	k.cells[0].stats = wire.Stats{Denials: [8]uint64{1}, LastTime: 5e9, LastPid: 77, LastUID: 9}
	s, err := c.Stats(kmod.ID(id))
	if want := (kmod.Denial{At: 5 * time.Second, Time: fakeBoot.Add(5 * time.Second), Pid: 77, UID: 9}); err != nil || s.Last != want {
		t.Errorf("Stats = %+v, %v; want the last denial %+v", s, err, want)
	}
}

// The limit can be changed while the cell runs, and nothing else changes.
func TestLimit(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	before := k.cells[0].policy
	if err := c.Limit(kmod.ID(id), 5); err != nil {
		t.Fatal(err)
	}
	before.ID, before.MaxProcesses = id, 5
	if k.cells[0].policy != before {
		t.Errorf("policy = %+v; want %+v", k.cells[0].policy, before)
	}
	if s, err := c.Stats(kmod.ID(id)); err != nil || s.MaxProcesses != 5 {
		t.Errorf("Stats = %+v, %v; want the limit", s, err)
	}
	if err := c.Limit(9, 5); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Limit of no cell = %v; want ErrNotFound", err)
	}
	k.cells[0].status.State = wire.StateRunning
	if err := c.Limit(kmod.ID(id), 7); err != nil || k.cells[0].policy.MaxProcesses != 7 {
		t.Errorf("Limit of a cell that runs = %v, %d", err, k.cells[0].policy.MaxProcesses)
	}
	k.cells[0].dying = true
	if err := c.Limit(kmod.ID(id), 6); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Limit of a dying cell = %v; want ErrBusy", err)
	}
	published := newClient(newFake())
	if err := published.Limit(1, 5); !errors.Is(err, kmod.ErrUnsupported) {
		t.Errorf("Limit on a published module = %v; want ErrUnsupported", err)
	}
}

func TestReserve(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.cells[0].policy.NPorts, k.cells[0].policy.Ports[0] = 1, wire.Port{Port: 80, Proto: wire.ProtoTCP}
	r := kmod.Reservations{
		Ports:     []kmod.Port{{Port: 22, Proto: "tcp"}, {Port: 53, Addr: netip.MustParseAddr("192.0.2.1")}},
		Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")},
	}
	if err := c.Reserve(r); err != nil {
		t.Fatal(err)
	}
	want := wire.Policy{Network: wire.NetworkAddresses, NAddresses: 1, NPorts: 2}
	want.Addresses[0] = wire.Address{Family: wire.FamilyIP6, Addr: r.Addresses[0].As16()}
	want.Ports[0] = wire.Port{Port: 22, Proto: wire.ProtoTCP}
	want.Ports[1] = wire.Port{Port: 53, Family: wire.FamilyIP4, Addr: [16]uint8{192, 0, 2, 1}}
	if k.host != want {
		t.Errorf("the host's policy is %+v; want %+v", k.host, want)
	}
	for _, tt := range []struct {
		r    kmod.Reservations
		want error
	}{
		{kmod.Reservations{Ports: []kmod.Port{{Port: 80}}}, kmod.ErrPortInUse},
		{kmod.Reservations{Ports: []kmod.Port{{Port: 80, Proto: "udp"}}}, nil},
		{kmod.Reservations{}, nil},
	} {
		if err := c.Reserve(tt.r); !errors.Is(err, tt.want) {
			t.Errorf("Reserve(%+v) = %v; want %v", tt.r, err, tt.want)
		}
	}
	if k.host != (wire.Policy{}) {
		t.Errorf("after nothing was reserved the host's policy is %+v", k.host)
	}
	for _, bad := range []kmod.Reservations{
		{Ports: []kmod.Port{{}}}, {Ports: make([]kmod.Port, kmod.MaxPorts+1)}, {Addresses: []netip.Addr{netip.IPv4Unspecified()}},
	} {
		if err := c.Reserve(bad); err == nil {
			t.Errorf("Reserve(%+v) succeeded", bad)
		}
	}
	if err := c.Destroy(kmod.ID(id)); err != nil {
		t.Error(err)
	}
	k.abi = 1
	for name, old := range map[string]*client{"version 1": newClient(k), "a published module": newClient(newFake())} {
		if err := old.Reserve(r); !errors.Is(err, kmod.ErrUnsupported) {
			t.Errorf("Reserve on %s = %v; want ErrUnsupported", name, err)
		}
	}
}

func FuzzDecodeMember(f *testing.F) {
	f.Add(make([]byte, procSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMember(b)
		if err == nil && (len(m.Command) > procCommLen || m.CPU.Total < 0) {
			t.Fatalf("accepted %+v", m)
		}
	})
}
