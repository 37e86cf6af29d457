package sysctl

// The published ABI of secmodel_cell: struct cell_create and struct
// cell_info, byte for byte. Nothing in it says which version it is; a client
// finds out by the sizes that the kernel takes and gives.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

// Flags of cc_flags: which of the optional fields are given.
const (
	flagProfile      = 0x1
	flagPorts        = 0x2
	flagRlimitNofile = 0x4
	flagRlimitAS     = 0x8
	flagRlimitCore   = 0x10
)

// Sizes of the text fields, with their NUL.
const (
	nameSize = kmod.MaxName + 1
	rootSize = kmod.MaxRoot + 1
)

// layout is one generation of the two structures. All but the listed offsets
// are the same in both: cc_flags 0, cc_id 4, cc_profile 8, cc_nports 12,
// cc_ports 14; ci_id 0, ci_refcount 8, ci_name 16, ci_root 80.
type layout struct {
	name       string
	createSize int
	createName int
	createRoot int
	rlimits    int // of the three u64 in cell_create, 0 = it has none
	infoSize   int
	created    int // ci_created_ns, 0 = it has none
	processes  int // ci_proc_current
}

// layouts known, newest first.
var layouts = [...]layout{
	{
		name: "424/400", createSize: 424, rlimits: 80, createName: 104, createRoot: 168,
		infoSize: 400, created: 336, processes: 344,
	},
	// Older images. Only LP64 kernels are known to use this cell_info.
	{
		name: "400/368", createSize: 400, createName: 78, createRoot: 142,
		infoSize: 368, processes: 336,
	},
}

// createRequest is struct cell_create before it becomes bytes.
type createRequest struct {
	flags, id, profile uint32
	ports              []uint16
	rlimits            [3]uint64 // nofile, as, core
	name, root         string
}

// request turns a spec that check has accepted into the kernel's terms.
func request(s *kmod.Spec) createRequest {
	r := createRequest{flags: flagProfile, profile: uint32(s.Profile), name: s.Name, root: s.Root}
	for _, p := range s.Ports {
		r.ports = append(r.ports, p.Port)
	}
	if len(r.ports) > 0 {
		r.flags |= flagPorts
	}
	for i, v := range [3]uint64{s.RlimitNofile, s.RlimitAS, s.RlimitCore} {
		if v != kmod.Unlimited {
			r.flags |= flagRlimitNofile << i
			r.rlimits[i] = v
		}
	}
	return r
}

// encode writes the request for one layout. A layout without rlimits loses
// them: they are metadata, the runtime applies them itself.
func (r createRequest) encode(l *layout, order binary.ByteOrder) []byte {
	b := make([]byte, l.createSize)
	flags := r.flags
	if l.rlimits == 0 {
		flags &^= flagRlimitNofile | flagRlimitAS | flagRlimitCore
	} else {
		for i, v := range r.rlimits {
			order.PutUint64(b[l.rlimits+8*i:], v)
		}
	}
	order.PutUint32(b[0:], flags)
	order.PutUint32(b[4:], r.id)
	order.PutUint32(b[8:], r.profile)
	order.PutUint16(b[12:], uint16(len(r.ports)))
	for i, p := range r.ports {
		order.PutUint16(b[14+2*i:], p)
	}
	copy(b[l.createName:l.createName+nameSize-1], r.name)
	copy(b[l.createRoot:l.createRoot+rootSize-1], r.root)
	return b
}

// createdID reads cc_id from the kernel's reply to create.
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
	info := kmod.Info{ID: kmod.ID(order.Uint32(b)), Processes: order.Uint64(b[l.processes:])}
	if info.ID == 0 {
		return info, fmt.Errorf("cell id 0")
	}
	var err error
	if info.Name, err = text(b[16 : 16+nameSize]); err != nil {
		return info, fmt.Errorf("name of cell %d: %w", info.ID, err)
	}
	if err := checkName(info.Name); err != nil {
		return info, err
	}
	if info.Root, err = text(b[80 : 80+rootSize]); err != nil {
		return info, fmt.Errorf("root of cell %d: %w", info.ID, err)
	}
	if err := checkRoot(info.Root); err != nil {
		return info, err
	}
	if l.created != 0 {
		ns := order.Uint64(b[l.created:])
		if ns > 1<<63-1 {
			return info, fmt.Errorf("cell %d: created %d ns after boot", info.ID, ns)
		}
		info.Created = time.Duration(ns)
	}
	return info, nil
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
