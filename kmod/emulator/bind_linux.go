package emulator

// What the eBPF programs at the cells' bind(2) hooks ask, and the answers.
//
// One map answers every question, so that one id is enough to find it again:
// who the caller is, who owns a port, and which addresses a cell has.
// bindgen/bind.go has the programs; where it runs is bindprog_linux.go.

//go:generate go run -C bindgen . ../bindprog_linux.go

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// ruleKey is a question of the programs.
type ruleKey struct {
	kind uint32
	arg  uint32
	addr [16]byte // IPv4 as ::ffff:a.b.c.d
}

var _ = [1]struct{}{}[unsafe.Sizeof(ruleKey{})-ruleKeySize]

// everyone is the owner of a wildcard that several cells own a part of.
const everyone = ^uint32(0)

// anyAddr is the address of a reservation of every address, as netip has it of
// none; wildcard the question of one who binds to every address.
var (
	anyAddr  = [16]byte{}
	wildcard = [16]byte(bytes.Repeat([]byte{0xff}, 16))
)

func portKey(proto uint32, port uint16, addr [16]byte) ruleKey {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return ruleKey{kindPort, proto<<16 | uint32(binary.NativeEndian.Uint16(b[:])), addr}
}

func cgroupKey(id uint64) ruleKey {
	k := ruleKey{kind: kindCgroup}
	binary.NativeEndian.PutUint64(k.addr[:], id)
	return k
}
