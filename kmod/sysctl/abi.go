package sysctl

// The published structures, struct cell_create and struct cell_info. Nothing
// in them says which version they are; a client finds out by the sizes that
// the kernel takes and gives. kmod/wire has today's; older images have others.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// layout is one generation of the two structures.
type layout struct {
	name                 string
	createSize, infoSize int
	encode               func(*wire.Create, binary.ByteOrder) []byte
	decode               func([]byte, binary.ByteOrder) (wire.Info, error)
}

// layouts known, newest first.
var layouts = [...]layout{
	{"424/400", 424, 400, encodeCreate, decode[wire.Info]},
	{"400/368", 400, 368, encodeOldCreate, decodeOldInfo},
}

// oldCreate is struct cell_create of older images: it has no rlimits.
type oldCreate struct {
	Flags, ID, Profile uint32
	NPorts             uint16
	Ports              [wire.PortMax]uint16
	Name               [wire.NameMax + 1]byte
	Root               [wire.RootMax + 1]byte
	Pad                uint16
}

// oldInfo is struct cell_info of older images. Only LP64 kernels are known to
// use it.
type oldInfo struct {
	ID, Pad                            uint32
	Refs                               uint64
	Name                               [wire.NameMax + 1]byte
	Root                               [wire.RootMax + 1]byte
	Processes, Memory, Ticks1, Ticks10 uint64
}

// encode gives a structure of fixed size as bytes.
func encode(v any, order binary.ByteOrder) []byte {
	b := make([]byte, binary.Size(v))
	_, _ = binary.Encode(b, order, v) // it has room
	return b
}

// decode reads a structure that fills b.
func decode[T any](b []byte, order binary.ByteOrder) (T, error) {
	var v T
	if want := binary.Size(v); len(b) != want {
		return v, fmt.Errorf("reply has %d bytes, want %d", len(b), want)
	}
	if order == binary.ByteOrder(binary.NativeEndian) && unsafe.Sizeof(v) == uintptr(len(b)) {
		// The kernel's order, and no padding: a list is decoded nine times as fast
		// as by reflection, which looks at each byte of a name.
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), len(b)), b)
		return v, nil
	}
	_, err := binary.Decode(b, order, &v)
	return v, err
}

func encodeCreate(c *wire.Create, order binary.ByteOrder) []byte { return encode(c, order) }

// encodeOldCreate loses the rlimits: they are metadata, the runtime applies
// them itself.
func encodeOldCreate(c *wire.Create, order binary.ByteOrder) []byte {
	return encode(&oldCreate{
		Flags: c.Flags &^ (wire.CreateRlimitNofile | wire.CreateRlimitAS | wire.CreateRlimitCore),
		ID:    c.ID, Profile: c.Profile, NPorts: c.NPorts, Ports: c.Ports, Name: c.Name, Root: c.Root,
	}, order)
}

func decodeOldInfo(b []byte, order binary.ByteOrder) (wire.Info, error) {
	o, err := decode[oldInfo](b, order)
	return wire.Info{ID: o.ID, Refs: o.Refs, Name: o.Name, Root: o.Root, Processes: o.Processes}, err
}

// request turns a spec that has been checked into the kernel's terms. withPorts
// is how a published module hears of them.
func request(s *kmod.Spec, withPorts bool) *wire.Create {
	c := &wire.Create{Flags: wire.CreateProfile, Profile: uint32(s.Profile)}
	copy(c.Name[:wire.NameMax], s.Name)
	copy(c.Root[:wire.RootMax], s.Root)
	if withPorts && len(s.Ports) > 0 {
		c.Flags |= wire.CreatePorts
		c.NPorts = uint16(len(s.Ports))
		for i, p := range s.Ports {
			c.Ports[i] = p.Port
		}
	}
	for _, l := range [...]struct {
		flag  uint32
		field *uint64
		value uint64
	}{
		{wire.CreateRlimitNofile, &c.RlimitNofile, s.RlimitNofile},
		{wire.CreateRlimitAS, &c.RlimitAS, s.RlimitAS},
		{wire.CreateRlimitCore, &c.RlimitCore, s.RlimitCore},
	} {
		if l.value != kmod.Unlimited {
			c.Flags |= l.flag
			*l.field = l.value
		}
	}
	return c
}

// createdID reads cc_id from the kernel's reply to create. It lies at the same
// place in every layout.
func createdID(b []byte, l *layout, order binary.ByteOrder) (kmod.ID, error) {
	if len(b) != l.createSize {
		return 0, fmt.Errorf("reply has %d bytes, want %d", len(b), l.createSize)
	}
	id := kmod.ID(order.Uint32(b[4:]))
	if id == 0 {
		return 0, fmt.Errorf("reply has cell id 0, which is the host")
	}
	return id, nil
}

// decodeList reads the kernel's reply to list. known is the layout that
// create has settled, nil if it has not been needed yet: then the length
// tells, and where it fits both, the contents.
func decodeList(b []byte, known *layout, order binary.ByteOrder) ([]kmod.Info, error) {
	if known != nil {
		return known.decodeList(b, order)
	}
	var first error
	for i := range layouts {
		list, err := layouts[i].decodeList(b, order)
		if err == nil {
			return list, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("unknown layout of struct cell_info (%d bytes in all): %w", len(b), first)
}

func (l *layout) decodeList(b []byte, order binary.ByteOrder) ([]kmod.Info, error) {
	if len(b)%l.infoSize != 0 {
		return nil, fmt.Errorf("%d bytes are no multiple of %d", len(b), l.infoSize)
	}
	list := make([]kmod.Info, 0, len(b)/l.infoSize)
	for ; len(b) > 0; b = b[l.infoSize:] {
		info, err := l.decodeInfo(b[:l.infoSize], order)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(list), err)
		}
		list = append(list, info)
	}
	return list, nil
}

// decodeInfo reads one struct cell_info. It refuses what no kernel says, which
// is how a wrong layout shows.
func (l *layout) decodeInfo(b []byte, order binary.ByteOrder) (kmod.Info, error) {
	w, err := l.decode(b, order)
	if err != nil {
		return kmod.Info{}, err
	}
	info := kmod.Info{ID: kmod.ID(w.ID), Processes: w.Processes, Created: time.Duration(w.Created)}
	switch {
	case info.ID == 0:
		return info, fmt.Errorf("cell id 0")
	case info.Created < 0:
		return info, fmt.Errorf("cell %d: created %d ns after boot", info.ID, w.Created)
	}
	if info.Name, err = text(w.Name[:]); err != nil {
		return info, fmt.Errorf("name of cell %d: %w", info.ID, err)
	}
	if err := kmod.CheckName(info.Name); err != nil {
		return info, err
	}
	if info.Root, err = text(w.Root[:]); err != nil {
		return info, fmt.Errorf("root of cell %d: %w", info.ID, err)
	}
	return info, kmod.CheckRoot(info.Root)
}

// text reads a NUL-terminated string that fills its field with NULs.
func text(b []byte) (string, error) {
	s, rest, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return "", fmt.Errorf("no terminating NUL")
	}
	if len(bytes.Trim(rest, "\x00")) != 0 {
		return "", fmt.Errorf("bytes after the terminating NUL")
	}
	return string(s), nil
}
