package sysctl

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// fakeBoot is when the fake was booted.
var fakeBoot = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// others answers nodes that are not the module's.
func (k *fakeKernel) others(mib []int32, old []byte) (int, error) {
	var b []byte
	switch {
	case slices.Equal(mib, []int32{ctlKern, kernBoottime}):
		b = binary.NativeEndian.AppendUint64(nil, uint64(fakeBoot.Unix()))
		b = binary.NativeEndian.AppendUint64(b, 0)
	case len(mib) == 6 && mib[1] == kernFile2:
		b = k.opened[int(mib[3])]
	case len(mib) == 8 && mib[0] == ctlNet && mib[3] == fakePCBList:
		b = k.pcbs[[2]int32(mib[1:3])]
	default:
		return 0, syscall.ENOENT
	}
	if old == nil {
		return len(b), nil
	}
	return copy(old, b), nil // these nodes tell what they lack room for by the length only
}

// open gives a process a socket of a protocol.
func (k *fakeKernel) open(pid int, family, proto int32, at string, state uint32) {
	if k.pcbs == nil {
		k.opened, k.pcbs = map[int][]byte{}, map[[2]int32][]byte{}
	}
	address := uint64(0xffff0000) + uint64(len(k.opened[pid])) + uint64(pid)<<8
	file := make([]byte, fileSize)
	binary.NativeEndian.PutUint32(file[fileType:], fileSocket)
	binary.NativeEndian.PutUint64(file[fileData:], address)
	k.opened[pid] = append(k.opened[pid], file...)
	pcb := make([]byte, pcbSize)
	binary.NativeEndian.PutUint64(pcb[pcbSocket:], address)
	binary.NativeEndian.PutUint32(pcb[pcbState:], state)
	local := netip.MustParseAddrPort(at)
	sa := pcb[pcbLocal:]
	binary.BigEndian.PutUint16(sa[2:], local.Port())
	sa[1] = byte(family)
	if local.Addr().Is4() {
		copy(sa[4:], local.Addr().AsSlice())
	} else {
		copy(sa[8:], local.Addr().AsSlice())
	}
	key := [2]int32{family, proto}
	k.pcbs[key] = append(k.pcbs[key], pcb...)
}

func TestClaims(t *testing.T) {
	k, c := own()
	s := spec("a", "/cells/a")
	s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}
	s.Ports = []kmod.Port{{Port: 80}, {Port: 53, Addr: addr("192.0.2.1"), Proto: "udp"}, {Port: 443, Addr: addr("2001:db8::1"), Proto: "tcp"}}
	id := mustCreate(t, c, s)
	got, err := c.Claims(id)
	if want := (kmod.Claims{Network: s.Network, Ports: s.Ports, Addresses: s.Addresses}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Claims = %+v, %v; want %+v", got, err, want)
	}
	r := kmod.Reservations{Ports: []kmod.Port{{Port: 22, Proto: "tcp"}}, Addresses: []netip.Addr{addr("192.0.2.9")}}
	if err := c.Reserve(r); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Claims(0); err != nil || !reflect.DeepEqual(got, kmod.Claims{Ports: r.Ports, Addresses: r.Addresses}) {
		t.Errorf("the host's Claims = %+v, %v; want %+v", got, err, r)
	}
	if _, err := c.Claims(9); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Claims of no cell = %v; want ErrNotFound", err)
	}
	k.garbled, k.garble = "policy", func(b []byte) []byte {
		var p wire.Policy
		copy(view(&p), b)
		p.NPorts = 33
		return slices.Clone(view(&p))
	}
	if got, err := c.Claims(id); err == nil {
		t.Errorf("Claims of 33 ports = %+v; want an error", got)
	}
	k.garbled, k.garble = "policy", func(b []byte) []byte {
		binary.NativeEndian.PutUint32(b, 99)
		return b
	}
	if got, err := c.Claims(id); err == nil {
		t.Errorf("Claims that are another cell's = %+v; want an error", got)
	}
	k.garble = nil
	b := mustCreate(t, c, spec("b", "/cells/b"))
	if got, err := c.Claims(b); err != nil || got.Network != kmod.NetworkHost {
		t.Errorf("Claims = %+v, %v; want the network host", got, err)
	}
	for abi, want := range map[uint32]error{1: kmod.ErrUnsupported, 2: nil} {
		k.abi = abi
		old := newClient(k)
		if _, err := old.Claims(0); !errors.Is(err, want) {
			t.Errorf("the host's Claims of version %d = %v; want %v", abi, err, want)
		}
		if _, err := old.Claims(b); err != nil {
			t.Errorf("a cell's Claims of version %d = %v", abi, err)
		}
	}
	if _, err := newClient(newFake()).Claims(1); !errors.Is(err, kmod.ErrUnsupported) {
		t.Errorf("Claims of a published module = %v; want ErrUnsupported", err)
	}
}

// As many addresses and ports as there is room for, and no more are believed.
func TestMostClaims(t *testing.T) {
	for _, c := range []struct {
		addresses, ports uint16
		fine             bool
	}{
		{wire.AddressMax, wire.PortMax, true},
		{wire.AddressMax + 1, 0, false},
		{0, wire.PortMax + 1, false},
	} {
		got, err := claimsOf(&wire.Policy{ID: 1, NAddresses: c.addresses, NPorts: c.ports}, 1)
		if (err == nil) != c.fine || c.fine && (len(got.Addresses) != wire.AddressMax || len(got.Ports) != wire.PortMax) {
			t.Errorf("of %d addresses and %d ports: %d and %d, %v", c.addresses, c.ports, len(got.Addresses), len(got.Ports), err)
		}
	}
}

// What is no socket, and what has none, is nobody's.
func TestFilesThatAreNoSockets(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	member, host := k.start(id), k.spawn(0)
	k.open(host.pid, famIP4, protoTCP, "0.0.0.0:22", tcpListen)
	k.open(host.pid, famIP4, protoTCP, "0.0.0.0:25", tcpListen)
	none := k.pcbs[[2]int32{famIP4, protoTCP}][pcbSize:]
	binary.NativeEndian.PutUint64(none[pcbSocket:], 0)
	file := func(kind uint32, data uint64) []byte {
		b := make([]byte, fileSize)
		binary.NativeEndian.PutUint32(b[fileType:], kind)
		binary.NativeEndian.PutUint64(b[fileData:], data)
		return b
	}
	k.open(member.pid, famIP4, protoTCP, "0.0.0.0:80", tcpListen)
	k.opened[member.pid] = slices.Concat(k.opened[member.pid],
		file(1, binary.NativeEndian.Uint64(k.opened[host.pid][fileData:])), file(fileSocket, 0))
	want := []kmod.Socket{{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:80"), Pid: member.pid}}
	if got, err := c.Sockets(kmod.ID(id)); err != nil || !slices.Equal(got, want) {
		t.Errorf("Sockets = %+v, %v; want %+v", got, err, want)
	}
	k.opened[member.pid] = k.opened[member.pid][:fileSize+fileSize*3/4]
	if got, err := c.Sockets(kmod.ID(id)); err == nil {
		t.Errorf("Sockets of half a file = %+v; want an error", got)
	}
}

func TestSockets(t *testing.T) {
	k, c := own()
	id := kmod.ID(mustCreate32(t, c))
	if list, err := c.Sockets(id); err != nil || list != nil {
		t.Errorf("Sockets without a member = %v, %v", list, err)
	}
	first, second, host := k.start(uint32(id)), k.spawn(uint32(id)), k.spawn(0)
	k.open(second.pid, famIP4, protoTCP, "0.0.0.0:8080", tcpListen)
	k.open(first.pid, famIP6, protoUDP, "[2001:db8::1]:53", 0)
	k.open(first.pid, famIP4, protoTCP, "192.0.2.1:9999", 4) // connected
	k.open(first.pid, famIP4, protoUDP, "0.0.0.0:0", 0)      // not bound
	k.open(host.pid, famIP4, protoTCP, "0.0.0.0:22", tcpListen)
	k.opened[first.pid] = append(k.opened[first.pid], k.opened[second.pid]...) // both have it
	want := []kmod.Socket{
		{Proto: "udp", Local: netip.MustParseAddrPort("[2001:db8::1]:53"), Pid: first.pid},
		{Proto: "tcp", Local: netip.MustParseAddrPort("0.0.0.0:8080"), Pid: first.pid},
	}
	if got, err := c.Sockets(id); err != nil || !slices.Equal(got, want) {
		t.Errorf("Sockets = %+v, %v; want %+v", got, err, want)
	}
	k.pcbs[[2]int32{famIP4, protoTCP}] = append(k.pcbs[[2]int32{famIP4, protoTCP}], 1)
	if got, err := c.Sockets(id); err == nil {
		t.Errorf("Sockets of half a structure = %+v; want an error", got)
	}
}

// The time of a denial is the clock's.
func TestDenialTime(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	k.start(id)
	k.cells[0].stats = wire.Stats{Denials: [8]uint64{1}, LastTime: 90e9, LastPid: 7}
	s, err := c.Stats(kmod.ID(id))
	if want := fakeBoot.Add(90 * time.Second); err != nil || !s.Last.Time.Equal(want) {
		t.Errorf("Stats = %+v, %v; want the time %v", s.Last, err, want)
	}
	for _, n := range []int{0, 8, 13} {
		if _, err := decodeBoottime(make([]byte, n)); err == nil {
			t.Errorf("a boot time of %d bytes is taken", n)
		}
	}
	if at, err := decodeBoottime(make([]byte, 12)); err != nil || !at.Equal(time.Unix(0, 0)) {
		t.Errorf("a boot time of 12 bytes = %v, %v", at, err)
	}
}

func FuzzWaiting(f *testing.F) {
	k := newOwnFake()
	k.open(7, famIP4, protoTCP, "192.0.2.1:80", tcpListen)
	k.open(7, famIP6, protoTCP, "[::1]:80", tcpListen)
	f.Add(k.pcbs[[2]int32{famIP4, protoTCP}])
	f.Add(k.pcbs[[2]int32{famIP6, protoTCP}])
	f.Fuzz(func(t *testing.T, b []byte) {
		owner := map[uint64]int{}
		for i := 0; i+pcbSize <= len(b); i += pcbSize {
			owner[binary.NativeEndian.Uint64(b[i+pcbSocket:])] = 7
		}
		list, err := waiting(b, "tcp", owner)
		if err == nil && len(list) > len(b)/pcbSize {
			t.Fatalf("%d sockets of %d bytes", len(list), len(b))
		}
		for _, s := range list {
			if !s.Local.IsValid() || s.Local.Port() == 0 || s.Pid != 7 {
				t.Fatalf("accepted %+v", s)
			}
		}
	})
}
