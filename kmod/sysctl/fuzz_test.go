package sysctl

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

func FuzzDecodeList(f *testing.F) {
	f.Add(make([]byte, 400))
	f.Add(make([]byte, 368))
	f.Add(info("web", "/c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeList(b, nil, binary.NativeEndian)
		if err != nil {
			return
		}
		for _, info := range list {
			if info.ID == 0 || kmod.CheckName(info.Name) != nil || kmod.CheckRoot(info.Root) != nil || info.Created < 0 {
				t.Fatalf("accepted %+v", info)
			}
		}
	})
}

func FuzzDecodeNodes(f *testing.F) {
	f.Add(fakeNode("cell", 1077))
	f.Fuzz(func(t *testing.T, b []byte) {
		if nodes, err := decodeNodes(b); err == nil && len(nodes) > len(b)/nodeSize {
			t.Fatalf("%d nodes out of %d bytes", len(nodes), len(b))
		}
	})
}

func FuzzReadMembers(f *testing.F) {
	f.Add(binary.NativeEndian.AppendUint64(nil, procSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		members, err := readMembers(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, m := range members {
			if m.pid <= 0 {
				t.Fatalf("pid %d: kill would hit a group", m.pid)
			}
		}
	})
}

// Whatever passes the checks, the kernel takes: a published module, and ours.
func FuzzCreate(f *testing.F) {
	f.Add("web-1", "/cells/a", uint8(2), uint16(80), uint64(1024))
	f.Add("", "relative", uint8(9), uint16(0), kmod.Unlimited)
	f.Fuzz(func(t *testing.T, name, root string, profile uint8, port uint16, limit uint64) {
		s := kmod.Spec{
			Name: name, Root: root, Profile: policy.Profile(profile), Permissions: policy.Published(policy.Profile(profile)),
			Ports: []kmod.Port{{Port: port}}, RlimitNofile: limit, RlimitAS: kmod.Unlimited, RlimitCore: limit,
		}
		for _, k := range []*fakeKernel{newFake(), newOwnFake()} {
			k.dirs = append(k.dirs, root)
			id, err := newClient(k).Create(s)
			if checked := s.Check(); (checked == nil) != (err == nil) {
				t.Fatalf("abi %d: Check = %v; Create = %v", k.abi, checked, err)
			}
			if err == nil && (id != 1 || k.cells[0].name != name || k.cells[0].root != root) {
				t.Fatalf("abi %d: created %d as %+v", k.abi, id, k.cells[0])
			}
		}
	})
}

// A policy passes the client's checks just when it passes the kernel's, and
// arrives as it was meant.
func FuzzPolicy(f *testing.F) {
	f.Add(uint64(1), "host", "", uint16(80), "tcp", "", uint16(81), "udp", "192.0.2.1", uint64(0))
	f.Add(uint64(1)<<63, "addresses", "192.0.2.1,2001:db8::1", uint16(80), "", "::", uint16(80), "", "", uint64(7))
	f.Add(uint64(0), "addresses", "::ffff:192.0.2.1,fe80::1%wm0,0.0.0.0", uint16(0), "sctp", "::1", uint16(1), "", "::ffff:1.2.3.4", uint64(1))
	f.Fuzz(func(t *testing.T, set uint64, network, addresses string, p1 uint16, proto1, addr1 string, p2 uint16, proto2, addr2 string, limit uint64) {
		s := spec("web", "/cells/a")
		s.Permissions, s.Network, s.MaxProcesses = policy.Set(set), kmod.Network(network), limit
		if addresses != "" {
			for one := range strings.SplitSeq(addresses, ",") {
				a, _ := netip.ParseAddr(one)
				s.Addresses = append(s.Addresses, a)
			}
		}
		a1, _ := netip.ParseAddr(addr1)
		a2, _ := netip.ParseAddr(addr2)
		s.Ports = []kmod.Port{{Port: p1, Proto: proto1, Addr: a1}, {Port: p2, Proto: proto2, Addr: a2}}
		k := newOwnFake()
		id, err := newClient(k).Create(s)
		if checked := s.Check(); (checked == nil) != (err == nil) {
			t.Fatalf("Check = %v; Create = %v", checked, err)
		}
		if err == nil {
			samePolicy(t, &k.cells[0].policy, id, &s)
		} else if len(k.cells) != 0 {
			t.Fatal("a cell is left")
		}
	})
}

func FuzzDecodePids(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		pids, err := decodePids(b)
		if err != nil {
			return
		}
		if len(pids) != len(b)/4 || !slices.IsSorted(pids) || len(pids) > 0 && pids[0] <= 0 {
			t.Fatalf("accepted %v", pids)
		}
	})
}

func FuzzDecodeStats(f *testing.F) {
	f.Add(make([]byte, 112), uint32(0))
	f.Add(view(&wire.Stats{ID: 7, Processes: 3, Denials: [8]uint64{1, 2, 3, 4, 5, 6, 7, 8}, LastTime: 1, LastClass: 1 << 20}), uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, id uint32) {
		s, err := decodeStats(b, kmod.ID(id))
		if err != nil {
			return
		}
		for name, n := range s.Denials {
			if name == "" || n == 0 {
				t.Fatalf("accepted %+v", s)
			}
		}
	})
}

func FuzzDecodeStatus(f *testing.F) {
	f.Add(make([]byte, 16), uint32(0))
	f.Add(view(&wire.Status{ID: 7, State: wire.StateEnded, Pid: 201, Status: 0x2a00}), uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, id uint32) {
		s, err := decodeStatus(b, kmod.ID(id))
		if err == nil && (s.ID != id || s.State > wire.StateEnded || s.State == wire.StateRunning && s.Pid <= 0) {
			t.Fatalf("accepted %+v", s)
		}
	})
}

// info is a struct cell_info.
func info(name, root string) []byte {
	b := make([]byte, layouts[0].infoSize)
	binary.NativeEndian.PutUint32(b, 1)
	copy(b[16:], name)
	copy(b[80:], root)
	return b
}
