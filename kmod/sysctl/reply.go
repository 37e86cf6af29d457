package sysctl

// The structures of the nodes that this project's module adds, to and from
// kmod's types. What the kernel says is checked: a pid of 0 in a list would
// have a caller signal its own process group.

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// networks are the wire's numbers; that of none is the host's, 0.
var networks = [...]struct {
	name   kmod.Network
	number uint32
}{
	{kmod.NetworkHost, wire.NetworkHost},
	{kmod.NetworkAddresses, wire.NetworkAddresses},
	{kmod.NetworkNone, wire.NetworkNone},
}

// policyOf turns a spec that has been checked into struct cell_policy.
func policyOf(id kmod.ID, s *kmod.Spec) *wire.Policy {
	p := &wire.Policy{
		ID: uint32(id), Permissions: uint64(s.Permissions), MaxProcesses: s.MaxProcesses,
		NAddresses: uint16(len(s.Addresses)), NPorts: uint16(len(s.Ports)), NDevices: uint16(len(s.Devices)),
	}
	for _, n := range networks {
		if n.name == s.Network {
			p.Network = n.number
		}
	}
	for i, a := range s.Addresses {
		p.Addresses[i].Family, p.Addresses[i].Addr = wireAddr(a)
	}
	for i, port := range s.Ports {
		w := &p.Ports[i]
		w.Port = port.Port
		w.Family, w.Addr = wireAddr(port.Addr)
		switch port.Proto {
		case "tcp":
			w.Proto = wire.ProtoTCP
		case "udp":
			w.Proto = wire.ProtoUDP
		}
	}
	for i, d := range s.Devices {
		p.Devices[i] = wire.Device{Type: wire.DeviceCharacter, Major: d.Major, Minor: d.Minor}
		if d.Type == "b" {
			p.Devices[i].Type = wire.DeviceBlock
		}
	}
	return p
}

func wireAddr(a netip.Addr) (family uint8, b [16]uint8) {
	switch {
	case a.Is4():
		four := a.As4()
		copy(b[:], four[:])
		return wire.FamilyIP4, b
	case a.Is6():
		return wire.FamilyIP6, a.As16()
	}
	return wire.FamilyAny, b
}

// decodePids reads the reply to procs.
func decodePids(b []byte) ([]int, error) {
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("%d bytes of pids are no multiple of 4", len(b))
	}
	pids := make([]int, 0, len(b)/4)
	for ; len(b) > 0; b = b[4:] {
		pid := int32(binary.NativeEndian.Uint32(b))
		if pid <= 0 {
			return nil, fmt.Errorf("process %d in a cell", pid)
		}
		pids = append(pids, int(pid))
	}
	slices.Sort(pids)
	return pids, nil
}

// decodeStats reads the reply to stats.
func decodeStats(b []byte, id kmod.ID) (kmod.Stats, error) {
	w, err := decode[wire.Stats](b, binary.NativeEndian)
	if err != nil {
		return kmod.Stats{}, err
	}
	if err := sameCell(w.ID, id); err != nil {
		return kmod.Stats{}, err
	}
	s := kmod.Stats{Processes: w.Processes, MaxProcesses: w.MaxProcesses, Denials: make(map[string]uint64)}
	for i, n := range w.Denials {
		if n != 0 {
			s.Denials[scopeName(i)] = n
		}
	}
	if w.LastTime != 0 {
		s.LastDenied = className(w.LastClass)
		s.Last = kmod.Denial{At: time.Duration(w.LastTime), Pid: int(w.LastPid), UID: w.LastUID}
	}
	return s, nil
}

// scopeName is the name of a scope of struct cell_stats: they are in the
// policy's order. A later module may have one more.
func scopeName(i int) string {
	if i < len(policy.Scopes) {
		return string(policy.Scopes[i])
	}
	return fmt.Sprintf("scope %d", i)
}

// className is the name of a request class. A later module may have more.
func className(n uint32) string {
	if n <= math.MaxUint16 {
		if row := policy.Lookup(policy.Class(n)); row != nil {
			return row.Name
		}
	}
	return fmt.Sprintf("class %d", n)
}

// decodeStatus reads the reply to status.
func decodeStatus(b []byte, id kmod.ID) (wire.Status, error) {
	s, err := decode[wire.Status](b, binary.NativeEndian)
	if err != nil {
		return s, err
	}
	if err := sameCell(s.ID, id); err != nil {
		return s, err
	}
	switch {
	case s.State > wire.StateEnded:
		return s, fmt.Errorf("state %d of the first process", s.State)
	case s.State != wire.StateEmpty && s.Pid <= 0:
		return s, fmt.Errorf("first process is %d", s.Pid)
	}
	return s, nil
}

func sameCell(got uint32, want kmod.ID) error {
	if got != uint32(want) {
		return fmt.Errorf("reply is about cell %d", got)
	}
	return nil
}
