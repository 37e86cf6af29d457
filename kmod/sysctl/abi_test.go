package sysctl

// The structures, byte for byte: against written-out bytes in both byte
// orders, and against the C structures' Go twins on the architecture at hand.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// cellCreate and cellInfo are the published C structures.
type cellCreate struct {
	flags   uint32
	id      uint32
	profile uint32
	nports  uint16
	ports   [32]uint16
	rlimits [3]uint64
	name    [64]byte
	root    [256]byte
}

type cellInfo struct {
	id, flags                                   uint32
	refcount                                    uint64
	name                                        [64]byte
	root                                        [256]byte
	created, processes, memory, ticks1, ticks10 uint64
	rlimits                                     [3]uint64
}

// oldCreate is what older images have.
type oldCreate struct {
	flags   uint32
	id      uint32
	profile uint32
	nports  uint16
	ports   [32]uint16
	name    [64]byte
	root    [256]byte
}

// On ILP32 a uint64 is aligned to 4 bytes only: the sizes and offsets must
// come out the same.
func TestOffsets(t *testing.T) {
	var c cellCreate
	var i cellInfo
	var o oldCreate
	n := &layouts[0]
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"cell_create", unsafe.Sizeof(c), uintptr(n.createSize)},
		{"cell_create is 424", unsafe.Sizeof(c), 424},
		{"cc_flags", unsafe.Offsetof(c.flags), 0},
		{"cc_id", unsafe.Offsetof(c.id), 4},
		{"cc_profile", unsafe.Offsetof(c.profile), 8},
		{"cc_nports", unsafe.Offsetof(c.nports), 12},
		{"cc_ports", unsafe.Offsetof(c.ports), 14},
		{"cc_rlimit_nofile", unsafe.Offsetof(c.rlimits), uintptr(n.rlimits)},
		{"cc_name", unsafe.Offsetof(c.name), uintptr(n.createName)},
		{"cc_root", unsafe.Offsetof(c.root), uintptr(n.createRoot)},
		{"cell_info", unsafe.Sizeof(i), uintptr(n.infoSize)},
		{"cell_info is 400", unsafe.Sizeof(i), 400},
		{"ci_id", unsafe.Offsetof(i.id), 0},
		{"ci_create_flags", unsafe.Offsetof(i.flags), 4},
		{"ci_refcount", unsafe.Offsetof(i.refcount), 8},
		{"ci_memory_current", unsafe.Offsetof(i.memory), 352},
		{"ci_cpu_ticks_1s", unsafe.Offsetof(i.ticks1), 360},
		{"ci_cpu_ticks_10s", unsafe.Offsetof(i.ticks10), 368},
		{"ci_rlimit_nofile", unsafe.Offsetof(i.rlimits), 376},
		{"ci_name", unsafe.Offsetof(i.name), 16},
		{"ci_root", unsafe.Offsetof(i.root), 80},
		{"ci_created_ns", unsafe.Offsetof(i.created), uintptr(n.created)},
		{"ci_proc_current", unsafe.Offsetof(i.processes), uintptr(n.processes)},
		{"old cell_create", unsafe.Sizeof(o), uintptr(layouts[1].createSize)},
		{"old cell_create is 400", unsafe.Sizeof(o), 400},
		{"old cc_flags", unsafe.Offsetof(o.flags), 0},
		{"old cc_id", unsafe.Offsetof(o.id), 4},
		{"old cc_profile", unsafe.Offsetof(o.profile), 8},
		{"old cc_nports", unsafe.Offsetof(o.nports), 12},
		{"old cc_ports", unsafe.Offsetof(o.ports), 14},
		{"old cc_name", unsafe.Offsetof(o.name), uintptr(layouts[1].createName)},
		{"old cc_root", unsafe.Offsetof(o.root), uintptr(layouts[1].createRoot)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %d; want %d", tt.name, tt.got, tt.want)
		}
	}
}

// The machine's own order: what the kernel sees of the bytes.
func TestEncodeIsTheStructure(t *testing.T) {
	s := spec("web-1", "/cells/a")
	s.Profile = policy.High
	s.Ports = []kmod.Port{{Port: 80}, {Port: 0xfffe}}
	s.RlimitAS = 1 << 40
	b := request(&s).encode(&layouts[0], binary.NativeEndian)
	got := *(*cellCreate)(unsafe.Pointer(&b[0]))
	want := cellCreate{flags: 0x1 | 0x2 | 0x8, profile: 2, nports: 2, rlimits: [3]uint64{0, 1 << 40, 0}}
	want.ports[0], want.ports[1] = 80, 0xfffe
	copy(want.name[:], "web-1")
	copy(want.root[:], "/cells/a")
	if got != want {
		t.Errorf("cell_create = %+v; want %+v", got, want)
	}
}

// pad makes a structure of size bytes from pairs of an offset and hex digits.
func pad(t *testing.T, size int, parts ...string) []byte {
	t.Helper()
	var b []byte
	for i := 0; i < len(parts); i += 2 {
		offset, err := strconv.Atoi(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, make([]byte, offset-len(b))...)
		v, err := hex.DecodeString(strings.ReplaceAll(parts[i+1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, v...)
	}
	return append(b, make([]byte, size-len(b))...)
}

func TestGoldenCreate(t *testing.T) {
	s := kmod.Spec{
		Name: "a.b", Root: "/r", Profile: policy.Medium, Ports: []kmod.Port{{Port: 443}, {Port: 8080}},
		RlimitNofile: 1024, RlimitAS: kmod.Unlimited, RlimitCore: 0,
	}
	bare := kmod.Spec{Name: "x", Root: "/", RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited}
	for _, tt := range []struct {
		name  string
		spec  kmod.Spec
		l     *layout
		order binary.ByteOrder
		want  []byte
	}{
		{"new, little", s, &layouts[0], binary.LittleEndian, pad(t, 424,
			"0", "17000000 00000000 01000000 0200 bb01 901f", "80", "0004000000000000", "104", "612e62", "168", "2f72")},
		{"new, big", s, &layouts[0], binary.BigEndian, pad(t, 424,
			"0", "00000017 00000000 00000001 0002 01bb 1f90", "80", "0000000000000400", "104", "612e62", "168", "2f72")},
		{"old, little", s, &layouts[1], binary.LittleEndian, pad(t, 400,
			"0", "03000000 00000000 01000000 0200 bb01 901f", "78", "612e62", "142", "2f72")},
		{"no ports, no limits", bare, &layouts[0], binary.LittleEndian, pad(t, 424, "0", "01", "104", "78", "168", "2f")},
	} {
		if got := request(&tt.spec).encode(tt.l, tt.order); !bytes.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, hex.Dump(got), hex.Dump(tt.want))
		}
	}
}

// The longest texts that fit end in a NUL.
func TestLongestTexts(t *testing.T) {
	s := spec(strings.Repeat("n", kmod.MaxName), "/"+strings.Repeat("r", kmod.MaxRoot-1))
	s.Ports = make([]kmod.Port, kmod.MaxPorts)
	for i := range s.Ports {
		s.Ports[i].Port = uint16(65504 + i)
	}
	if err := check(&s); err != nil {
		t.Fatal(err)
	}
	for i := range layouts {
		l := &layouts[i]
		b := request(&s).encode(l, binary.NativeEndian)
		name, err := text(b[l.createName : l.createName+64])
		if err != nil || name != s.Name {
			t.Errorf("%s: name %q, %v", l.name, name, err)
		}
		root, err := text(b[l.createRoot : l.createRoot+256])
		if err != nil || root != s.Root {
			t.Errorf("%s: root %q, %v", l.name, root, err)
		}
	}
}

func TestGoldenList(t *testing.T) {
	want := []kmod.Info{{ID: 7, Name: "web", Root: "/c", Created: 5 * time.Second, Processes: 3}}
	for _, tt := range []struct {
		name  string
		order binary.ByteOrder
		b     []byte
	}{
		{"little", binary.LittleEndian, pad(t, 400, "0", "07000000 03000000 0400000000000000", "16", "776562", "80", "2f63",
			"336", "00f2052a01000000 0300000000000000", "376", "ffffffffffffffff")},
		{"big", binary.BigEndian, pad(t, 400, "0", "00000007 00000003 0000000000000004", "16", "776562", "80", "2f63",
			"336", "000000012a05f200 0000000000000003")},
	} {
		if got, err := decodeList(tt.b, nil, tt.order); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, want)
		}
	}
	old := pad(t, 368, "0", "07000000", "16", "776562", "80", "2f63", "336", "0300000000000000")
	want[0].Created = 0
	if got, err := decodeList(old, nil, binary.LittleEndian); err != nil || !slices.Equal(got, want) {
		t.Errorf("old: %+v, %v; want %+v", got, err, want)
	}
}

func TestDecodeListRefuses(t *testing.T) {
	good := pad(t, 400, "0", "07000000", "16", "776562", "80", "2f63")
	for name, change := range map[string]func(b []byte) []byte{
		"a length that fits nothing": func(b []byte) []byte { return b[:399] },
		"cell 0":                     func(b []byte) []byte { b[0] = 0; return b },
		"a name without NUL":         func(b []byte) []byte { copy(b[16:80], strings.Repeat("x", 64)); return b },
		"a name of control bytes":    func(b []byte) []byte { b[17] = 7; return b },
		"bytes after the name":       func(b []byte) []byte { b[40] = 'x'; return b },
		"a relative root":            func(b []byte) []byte { b[80] = 'x'; return b },
		"created in the far future":  func(b []byte) []byte { b[343] = 0xff; return b },
	} {
		if list, err := decodeList(change(slices.Clone(good)), nil, binary.LittleEndian); err == nil {
			t.Errorf("%s: %+v; want an error", name, list)
		}
	}
}

func TestCreatedID(t *testing.T) {
	b := make([]byte, 424)
	if _, err := createdID(b, &layouts[0], binary.LittleEndian); err == nil {
		t.Error("a reply with id 0 is accepted: that is the host")
	}
	if _, err := createdID(b[:423], &layouts[0], binary.LittleEndian); err == nil {
		t.Error("a short reply is accepted")
	}
	b[4] = 9
	if id, err := createdID(b, &layouts[0], binary.LittleEndian); err != nil || id != 9 {
		t.Errorf("createdID = %d, %v; want 9", id, err)
	}
}

// struct sysctlnode as x/sys has it for NetBSD: 96 bytes everywhere.
func TestNodes(t *testing.T) {
	b := append(fakeNode("models", 1023), fakeNode(strings.Repeat("n", 31), -1)...)
	got, err := decodeNodes(b)
	if err != nil || len(got) != 2 || got["models"] != 1023 || got[strings.Repeat("n", 31)] != -1 {
		t.Errorf("decodeNodes = %v, %v", got, err)
	}
	if _, err := decodeNodes(b[:95]); err == nil {
		t.Error("95 bytes are accepted")
	}
	if _, err := decodeNodes(fakeNode(strings.Repeat("n", 32), 1)); err == nil {
		t.Error("a name without NUL is accepted")
	}
}
