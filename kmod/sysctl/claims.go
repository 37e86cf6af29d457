package sysctl

// Who holds which port: what a policy reserves, and the sockets of members.

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// Claims reads the cell's policy; a published module has no such node.
func (c *client) Claims(id kmod.ID) (kmod.Claims, error) {
	n, err := c.find()
	switch {
	case err != nil:
	case !n.own(), id == 0 && n.version < hostVersion:
		err = fmt.Errorf("this secmodel_cell does not tell what it keeps: %w", kmod.ErrUnsupported)
	default:
		var p wire.Policy
		if p, err = c.readPolicy(n, id); err == nil {
			return claimsOf(&p, id)
		}
	}
	return kmod.Claims{}, fmt.Errorf("read what cell %d reserves: %w", id, err)
}

// claimsOf is policyOf the other way round. The host's network is its own.
func claimsOf(p *wire.Policy, id kmod.ID) (kmod.Claims, error) {
	var c kmod.Claims
	if id != 0 {
		if err := sameCell(p.ID, id); err != nil {
			return c, err
		}
		for _, n := range networks {
			if n.number == p.Network {
				c.Network = n.name
			}
		}
	}
	if p.NAddresses > wire.AddressMax || p.NPorts > wire.PortMax {
		return kmod.Claims{}, fmt.Errorf("%d addresses and %d ports of a policy", p.NAddresses, p.NPorts)
	}
	for _, a := range p.Addresses[:p.NAddresses] {
		c.Addresses = append(c.Addresses, addrOf(a.Family, a.Addr))
	}
	for _, w := range p.Ports[:p.NPorts] {
		port := kmod.Port{Port: w.Port, Addr: addrOf(w.Family, w.Addr)}
		switch w.Proto {
		case wire.ProtoTCP:
			port.Proto = "tcp"
		case wire.ProtoUDP:
			port.Proto = "udp"
		}
		c.Ports = append(c.Ports, port)
	}
	return c, nil
}

// addrOf is wireAddr the other way round: of any address, none.
func addrOf(family uint8, b [16]uint8) netip.Addr {
	switch family {
	case wire.FamilyIP4:
		return netip.AddrFrom4([4]byte(b[:4]))
	case wire.FamilyIP6:
		return netip.AddrFrom16(b)
	}
	return netip.Addr{}
}

// Numbers of <sys/sysctl.h>, <sys/file.h>, <sys/socket.h> and the protocols.
const (
	ctlNet     = 4
	kernFile2  = 77
	fileByPid  = 2
	fileSocket = 2 // DTYPE_SOCKET
	famIP4     = 2 // AF_INET
	famIP6     = 24
	protoTCP   = 6
	protoUDP   = 17
	tcpListen  = 1 // TCPS_LISTEN
)

// Where struct kinfo_file (the same on LP64 and ILP32) has what is looked for.
const (
	fileSize = 120
	fileType = 16
	fileData = 64 // the socket's address
)

// Where struct kinfo_pcb has it.
const (
	pcbSize   = 640
	pcbSocket = 16
	pcbState  = 48 // of a tcp connection
	pcbLocal  = 72 // struct sockaddr_in or sockaddr_in6
)

// Sockets finds the members' by the kernel's addresses of sockets, which root of
// the host is told: a member's files have them, and the lists of sockets.
func (c *client) Sockets(id kmod.ID) ([]kmod.Socket, error) {
	pids, err := c.Processes(id)
	if err != nil {
		return nil, err
	}
	owner := map[uint64]int{}
	for _, pid := range pids {
		if err := c.socketsOf(pid, owner); err != nil {
			return nil, fmt.Errorf("read the files of process %d of cell %d: %w", pid, id, err)
		}
	}
	if len(owner) == 0 {
		return nil, nil
	}
	var list []kmod.Socket
	for _, t := range [...]struct {
		name          string
		family, proto int32
	}{{"tcp", famIP4, protoTCP}, {"udp", famIP4, protoUDP}, {"tcp", famIP6, protoTCP}, {"udp", famIP6, protoUDP}} {
		more, err := c.waitingAt(t.family, t.proto, t.name, owner)
		if err != nil {
			return nil, fmt.Errorf("read the sockets of %s: %w", t.name, err)
		}
		list = append(list, more...)
	}
	return kmod.SortSockets(list), nil
}

// waitingAt lists the sockets of a protocol; a kernel without the family has none.
func (c *client) waitingAt(family, proto int32, name string, owner map[uint64]int) ([]kmod.Socket, error) {
	mib, err := c.pcbList(family, proto)
	if mib == nil {
		return nil, err
	}
	b, err := readAll(c.kernel, append(mib, 0, 0, pcbSize, math.MaxInt32), nil)
	if err != nil {
		return nil, err
	}
	return waiting(b, name, owner)
}

// socketsOf notes whose the sockets are: of several processes, the first that is
// asked for, which is the lowest.
func (c *client) socketsOf(pid int, owner map[uint64]int) error {
	b, err := readAll(c.kernel, []int32{ctlKern, kernFile2, fileByPid, int32(pid), fileSize, math.MaxInt32}, nil)
	if err != nil {
		return err
	}
	if len(b)%fileSize != 0 {
		return fmt.Errorf("%d bytes of files are no multiple of %d", len(b), fileSize)
	}
	for ; len(b) > 0; b = b[fileSize:] {
		socket := binary.NativeEndian.Uint64(b[fileData:])
		if binary.NativeEndian.Uint32(b[fileType:]) != fileSocket || socket == 0 {
			continue
		}
		if _, ok := owner[socket]; !ok {
			owner[socket] = pid
		}
	}
	return nil
}

// pcbList finds net.inet.tcp.pcblist and its kin, whose last number is dynamic;
// nil where the kernel has none.
func (c *client) pcbList(family, proto int32) ([]int32, error) {
	mib := []int32{ctlNet, family, proto}
	children, err := query(c.kernel, mib)
	num, ok := children["pcblist"]
	if !ok {
		return nil, err
	}
	return below(mib, num), nil
}

// waiting reads an array of struct kinfo_pcb.
func waiting(b []byte, proto string, owner map[uint64]int) (list []kmod.Socket, err error) {
	if len(b)%pcbSize != 0 {
		return nil, fmt.Errorf("%d bytes of sockets are no multiple of %d", len(b), pcbSize)
	}
	for ; len(b) > 0; b = b[pcbSize:] {
		pid, ok := owner[binary.NativeEndian.Uint64(b[pcbSocket:])]
		if !ok || proto == "tcp" && binary.NativeEndian.Uint32(b[pcbState:]) != tcpListen {
			continue
		}
		local, err := sockaddr(b[pcbLocal:])
		if err != nil {
			return nil, err
		}
		if local.Port() != 0 {
			list = append(list, kmod.Socket{Proto: proto, Local: local, Pid: pid})
		}
	}
	return list, nil
}

// sockaddr reads a struct sockaddr_in or sockaddr_in6, of which b has more than
// enough.
func sockaddr(b []byte) (netip.AddrPort, error) {
	port := binary.BigEndian.Uint16(b[2:])
	switch b[1] {
	case famIP4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), nil
	case famIP6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port), nil
	}
	return netip.AddrPort{}, fmt.Errorf("a socket's address is of the family %d", b[1])
}
