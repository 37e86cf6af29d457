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
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// cellCreate and cellInfo are the published C structures.
type cellCreate struct {
	flags   uint32
	_       uint32 // id
	profile uint32
	nports  uint16
	ports   [32]uint16
	rlimits [3]uint64
	name    [64]byte
	root    [256]byte
}

type cellInfo struct {
	id, flags          uint32
	refcount           uint64
	name               [64]byte
	root               [256]byte
	created, processes uint64
	_                  [6]uint64 // memory, ticks, rlimits
}

// cellCreate400 and cellInfo368 are what older images have.
type cellCreate400 struct {
	flags   uint32
	_       uint32 // id
	profile uint32
	nports  uint16
	ports   [32]uint16
	name    [64]byte
	root    [256]byte
}

type cellInfo368 struct {
	id        uint32
	refcount  uint64
	name      [64]byte
	root      [256]byte
	processes uint64
	_         [3]uint64 // memory, ticks
}

// view is a structure's bytes, as the kernel sees them.
func view[T any](p *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p)) }

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"struct cell_create", unsafe.Sizeof(cellCreate{}), uintptr(layouts[0].createSize)},
		{"struct cell_info", unsafe.Sizeof(cellInfo{}), uintptr(layouts[0].infoSize)},
		{"the old struct cell_create", unsafe.Sizeof(cellCreate400{}), uintptr(layouts[1].createSize)},
		{"what is sent as it", uintptr(binary.Size(oldCreate{})), uintptr(layouts[1].createSize)},
		{"what is read as the old struct cell_info", uintptr(binary.Size(oldInfo{})), uintptr(layouts[1].infoSize)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s has %d bytes; want %d", tt.name, tt.got, tt.want)
		}
	}
}

// The machine's own order: what the kernel sees of the bytes.
func TestEncodeIsTheStructure(t *testing.T) {
	s := spec("web-1", "/cells/a")
	s.Profile = policy.High
	s.Ports = []kmod.Port{{Port: 80}, {Port: 0xfffe}}
	s.RlimitAS = 1 << 40
	want := cellCreate{flags: 0x1 | 0x2 | 0x8, profile: 2, nports: 2, rlimits: [3]uint64{0, 1 << 40, 0}}
	want.ports[0], want.ports[1] = 80, 0xfffe
	copy(want.name[:], "web-1")
	copy(want.root[:], "/cells/a")
	old := cellCreate400{flags: 0x1 | 0x2, profile: 2, nports: 2, ports: want.ports, name: want.name, root: want.root}
	r := request(&s, true)
	if got := layouts[0].encode(r, binary.NativeEndian); !bytes.Equal(got, view(&want)) {
		t.Errorf("cell_create:\n%s\nwant\n%s", hex.Dump(got), hex.Dump(view(&want)))
	}
	if got := layouts[1].encode(r, binary.NativeEndian); !bytes.Equal(got, view(&old)) {
		t.Errorf("old cell_create:\n%s\nwant\n%s", hex.Dump(got), hex.Dump(view(&old)))
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
		if got := tt.l.encode(request(&tt.spec, true), tt.order); !bytes.Equal(got, tt.want) {
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
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	c := request(&s, true)
	if name, err := text(c.Name[:]); err != nil || name != s.Name {
		t.Errorf("name %q, %v", name, err)
	}
	if root, err := text(c.Root[:]); err != nil || root != s.Root {
		t.Errorf("root %q, %v", root, err)
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
		orders := []binary.ByteOrder{tt.order}
		if tt.order.Uint16([]byte{1, 2}) == binary.NativeEndian.Uint16([]byte{1, 2}) {
			orders = append(orders, binary.NativeEndian)
		}
		for _, order := range orders {
			if got, err := decodeList(tt.b, nil, order); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %v: %+v, %v; want %+v", tt.name, order, got, err, want)
			}
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
	b := make([]byte, 425)
	if _, err := createdID(b[:424], &layouts[0], binary.LittleEndian); err == nil {
		t.Error("a reply with id 0 is accepted: that is the host")
	}
	b[4] = 9
	for _, n := range []int{423, 425} {
		if _, err := createdID(b[:n], &layouts[0], binary.LittleEndian); err == nil {
			t.Errorf("a reply of %d bytes is accepted", n)
		}
	}
	b = b[:424]
	if id, err := createdID(b, &layouts[0], binary.LittleEndian); err != nil || id != 9 {
		t.Errorf("createdID = %d, %v; want 9", id, err)
	}
}

// Only the whole structure is one, whatever the order of its bytes.
func TestDecodeOfAnotherLength(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.NativeEndian, binary.BigEndian, binary.LittleEndian} {
		for _, n := range []int{0, 15, 17, 32} {
			if s, err := decode[wire.Status](make([]byte, n), order); err == nil {
				t.Errorf("%d bytes of 16 are decoded as %+v", n, s)
			}
		}
	}
}

// Once a create has settled which structures the kernel has, no other fits.
func TestDecodeListOfAnotherLayout(t *testing.T) {
	old := pad(t, 368, "0", "07000000", "16", "776562", "80", "2f63", "336", "0300000000000000")
	if list, err := decodeList(old, &layouts[0], binary.LittleEndian); err == nil {
		t.Errorf("a list of the other layout is decoded as %+v", list)
	}
	_, err := decodeList(make([]byte, 399), nil, binary.LittleEndian)
	if err == nil || !strings.Contains(err.Error(), "no multiple of 400") {
		t.Errorf("a list that fits nothing: %v; want what the newest layout says of it", err)
	}
}

func TestText(t *testing.T) {
	for b, want := range map[string]string{"ab\x00\x00": "ab", "\x00": "", "ab": "error", "": "error", "a\x00b": "error", "a\x00\x00b": "error"} {
		if got, err := text([]byte(b)); (err != nil) != (want == "error") || err == nil && got != want {
			t.Errorf("text(%q) = %q, %v; want %s", b, got, err, want)
		}
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

// BenchmarkDecodeList is what reading the list costs, which Name, List and Names
// do, beside what the kernel takes to make it.
func BenchmarkDecodeList(b *testing.B) {
	for _, n := range []int{10, 1000, 5000} {
		info := wire.Info{ID: 1, Refs: 1}
		copy(info.Name[:], "web.0123456789abcdef")
		copy(info.Root[:], "/cells/web/rootfs")
		list := bytes.Repeat(encode(&info, binary.NativeEndian), n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if got, err := decodeList(list, &layouts[0], binary.NativeEndian); err != nil || len(got) != n {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
