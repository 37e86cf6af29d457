package kmod

// What cases write to the nodes and read from them.

import (
	"encoding/binary"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// Sizes of the structures on the wire, in bytes.
const (
	idSize     = 4
	createSize = 424
	infoSize   = 400
	policySize = 1696
	statsSize  = 112
	statusSize = 16
)

// pack gives a structure's bytes, in the host's byte order.
func pack(s any) []byte {
	b, err := binary.Append(nil, binary.NativeEndian, s)
	if err != nil {
		panic(err) // the structures of package wire have a fixed size
	}
	return b
}

// unpack reads a structure from a reply.
func unpack(b []byte, s any) error {
	if n := binary.Size(s); len(b) != n {
		return fmt.Errorf("reply of %d bytes; want %d", len(b), n)
	}
	_, err := binary.Decode(b, binary.NativeEndian, s)
	return err
}

func packID(id kmod.ID) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(id)) }

// newCreate is a request that the module takes.
func (w *world) newCreate() *wire.Create {
	c := &wire.Create{}
	copy(c.Name[:], w.name())
	copy(c.Root[:], w.root)
	return c
}

// newPolicy is a request that the module takes.
func newPolicy(id kmod.ID) *wire.Policy { return &wire.Policy{ID: uint32(id)} }

// policyPort reserves a port for tcp and udp on every address.
func policyPort(port uint16) wire.Port { return wire.Port{Port: port} }

// policyAddress is an IPv4 address.
func policyAddress(a ...uint8) wire.Address {
	x := wire.Address{Family: wire.FamilyIP4}
	copy(x.Addr[:], a)
	return x
}
