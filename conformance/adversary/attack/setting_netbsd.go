package attack

// The sweep over the tree of settings (sysctl(7)).

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of sysctl(9), NetBSD's sys/sysctl.h.
const (
	ctlQuery, ctlCreate, ctlDestroy, ctlDescribe = -2, -5, -6, -7
	ctlVersion, nodeSize                         = 0x01000000, 96 // struct sysctlnode
	typeMask, typeNode                           = 0xf, 1
)

// setting is a node of the tree.
type setting struct {
	mib  []int32
	name string
	kind uint32
}

func sysctl(mib []int32, old, written []byte) (int, error) {
	size := uintptr(len(old))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(old))), uintptr(unsafe.Pointer(&size)),
		uintptr(unsafe.Pointer(unsafe.SliceData(written))), uintptr(len(written)))
	if errno != 0 {
		return int(size), errno
	}
	return int(size), nil
}

// children are the nodes below one that has some.
func (s setting) children() (list []setting) {
	ask, nodes := make([]byte, nodeSize), make([]byte, 512*nodeSize)
	binary.NativeEndian.PutUint32(ask, ctlVersion)
	n, err := sysctl(append(slices.Clone(s.mib), ctlQuery), nodes, ask)
	if err != nil {
		return nil
	}
	for node := nodes[:n]; len(node) >= nodeSize; node = node[nodeSize:] {
		list = append(list, setting{
			mib:  append(slices.Clone(s.mib), int32(binary.NativeEndian.Uint32(node[4:]))),
			name: strings.TrimPrefix(s.name+"."+unix.ByteSliceToString(node[8:40]), "."),
			kind: binary.NativeEndian.Uint32(node) & typeMask,
		})
	}
	return list
}

// settingItems are one for each node of the second level: what is below it is
// its.
func settingItems() ([]item, error) {
	var items []item
	for _, top := range (setting{}).children() {
		for _, s := range append(top.children(), top) {
			items = append(items, item{s.name, func(*attacker) (found, error) { return s.try(len(s.mib) > 1), nil }})
		}
	}
	if len(items) == 0 {
		return nil, errors.New("there are no settings")
	}
	return items, nil
}

// try reads a node, writes it, and changes the tree at it; deep: and all nodes
// below.
func (s setting) try(deep bool) found {
	var f found
	s.tree(&f)
	if s.kind != typeNode {
		s.value(&f)
		return f
	}
	if deep {
		for _, below := range s.children() {
			sub := below.try(true)
			f.tried += sub.tried
			for _, p := range sub.passed {
				f.pass(shorter(p.Name))
			}
		}
	}
	return f
}

// own are the limits of the process that asks.
const own = ":proc.curproc.rlimit."

// shorter names what is read below the second level by that level only: to
// read one of them is not another thing than to read the next. Nor is to write
// one limit of its own, or another.
func shorter(name string) string {
	parts := strings.Split(name, ".")
	if verb, _, found := strings.Cut(name, own); found {
		return verb + own + "+"
	}
	if !strings.HasPrefix(name, "read:") || len(parts) < 3 {
		return name
	}
	return strings.Join(parts[:2], ".") + ".+"
}

// value reads a value, writes what was read, and writes another one, and what
// was read again: this process goes on.
func (s setting) value(f *found) {
	b := make([]byte, 64<<10)
	f.tried += 3
	n, err := sysctl(s.mib, b, nil)
	if err == nil {
		f.pass("read:" + s.name)
	}
	same := b[:min(n, len(b))]
	if err != nil || n == 0 {
		same = make([]byte, 4)
	}
	if _, err := sysctl(s.mib, nil, same); err == nil {
		f.pass("write:" + s.name)
	}
	other := slices.Clone(same)
	other[0]++
	if _, err := sysctl(s.mib, nil, other); err == nil {
		f.pass("change:" + s.name)
		_, _ = sysctl(s.mib, nil, same)
	}
}

// tree makes a node below this one, describes this one, and removes it.
func (s setting) tree(f *found) {
	const number, name, readWrite = 4, 8, 0x70
	node := make([]byte, nodeSize)
	binary.NativeEndian.PutUint32(node, ctlVersion|readWrite|2)
	binary.NativeEndian.PutUint32(node[number:], ^uint32(0))
	copy(node[name:], "adversary")
	last := len(s.mib) - 1
	this := make([]byte, nodeSize)
	binary.NativeEndian.PutUint32(this, ctlVersion)
	binary.NativeEndian.PutUint32(this[number:], uint32(s.mib[last]))
	above := s.mib[:last]
	for _, x := range []struct {
		name string
		mib  []int32
		node []byte
	}{
		{"create:", append(slices.Clone(s.mib), ctlCreate), node},
		{"destroy:", append(slices.Clone(above), ctlDestroy), this},
	} {
		f.tried++
		if _, err := sysctl(x.mib, make([]byte, nodeSize), x.node); err == nil {
			f.pass(x.name + s.name)
		}
	}
}
