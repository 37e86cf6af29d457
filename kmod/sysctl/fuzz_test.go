package sysctl

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
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
			if info.ID == 0 || checkName(info.Name) != nil || checkRoot(info.Root) != nil || info.Created < 0 {
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

// Whatever check lets through, the kernel takes.
func FuzzCreate(f *testing.F) {
	f.Add("web-1", "/cells/a", uint8(2), uint16(80), uint64(1024))
	f.Add("", "relative", uint8(9), uint16(0), kmod.Unlimited)
	f.Fuzz(func(t *testing.T, name, root string, profile uint8, port uint16, limit uint64) {
		s := kmod.Spec{
			Name: name, Root: root, Profile: policy.Profile(profile), Permissions: policy.Defaults(policy.Profile(profile)),
			Ports: []kmod.Port{{Port: port}}, RlimitNofile: limit, RlimitAS: kmod.Unlimited, RlimitCore: limit,
		}
		k := newFake()
		k.dirs = append(k.dirs, root)
		id, err := newClient(k).Create(s)
		if checked := check(&s); (checked == nil) != (err == nil) {
			t.Fatalf("check = %v; Create = %v", checked, err)
		}
		if err == nil && (id != 1 || k.cells[0].name != name || k.cells[0].root != root) {
			t.Fatalf("created %d as %+v", id, k.cells[0])
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
