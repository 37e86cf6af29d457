package emulator

// Who holds which port: what a cell's line says, and the sockets of members, as
// /proc/PID/net and /proc/PID/fd have them (proc_pid_net(5)).

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
)

// Claims tells what a cell reserves. The host reserves nothing here.
func (c *Client) Claims(id kmod.ID) (kmod.Claims, error) {
	if id == 0 {
		return kmod.Claims{}, nil
	}
	x, err := c.lookup(id)
	if err != nil {
		return kmod.Claims{}, fmt.Errorf("read what cell %d reserves: %w", id, err)
	}
	return kmod.Claims{Network: x.Spec.Network, Ports: x.Spec.Ports, Addresses: x.Spec.Addresses}, nil
}

// Sockets finds the members' by the numbers of their inodes.
func (c *Client) Sockets(id kmod.ID) ([]kmod.Socket, error) {
	x, err := c.lookup(id)
	if err != nil {
		return nil, fmt.Errorf("read sockets of cell %d: %w", id, err)
	}
	list, err := x.sockets()
	if err != nil {
		return nil, fmt.Errorf("read sockets of cell %d: %w", id, err)
	}
	return list, nil
}

func (x *cell) sockets() ([]kmod.Socket, error) {
	pids, err := x.processes()
	if err != nil {
		return nil, err
	}
	owner := map[uint64]int{}
	for _, pid := range pids {
		if err := socketsOf(pid, procPath(pid, "fd"), owner); err != nil {
			return nil, err
		}
	}
	if len(owner) == 0 {
		return nil, nil
	}
	return seenBy(pids, owner)
}

// seenBy lists the sockets of owners in the network that the processes have.
func seenBy(pids []int, owner map[uint64]int) (list []kmod.Socket, err error) {
	for _, t := range [...]struct{ file, proto string }{{"tcp", "tcp"}, {"tcp6", "tcp"}, {"udp", "udp"}, {"udp6", "udp"}} {
		// The members have one network, whichever of them is asked.
		b, err := firstOf(pids, "net/"+t.file)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		more, err := waiting(string(b), t.proto, owner)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return kmod.SortSockets(list), nil
}

// firstOf reads a file of the first process that is still there.
func firstOf(pids []int, name string) ([]byte, error) {
	for _, pid := range pids {
		b, err := readProc(pid, name)
		if !errors.Is(err, errGone) {
			return b, err
		}
	}
	return nil, errGone
}

// socketsOf notes whose the sockets in a directory of open files are: of several
// processes, the first one's that is asked. One that has ended has none.
func socketsOf(pid int, dir string, owner map[uint64]int) error {
	names, err := readNames(dir, -1)
	if err != nil && !reaped(err) {
		return fmt.Errorf("list files of process %d: %w", pid, err)
	}
	for _, name := range names {
		to, err := os.Readlink(dir + "/" + name)
		if err != nil {
			continue // closed meanwhile
		}
		number, ok := strings.CutPrefix(to, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err == nil {
			if _, ok := owner[inode]; !ok {
				owner[inode] = pid
			}
		}
	}
	return nil
}

// waiting reads /proc/net/tcp and its kin.
func waiting(text, proto string, owner map[uint64]int) (list []kmod.Socket, err error) {
	const listens, fields = "0A", 10 // TCP_LISTEN; up to the inode
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < fields || f[0] == "sl" {
			continue
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("parse /proc/net/%s: inode %q", proto, f[9])
		}
		pid, ok := owner[inode]
		if !ok || proto == "tcp" && f[3] != listens {
			continue
		}
		local, err := parseLocal(f[1])
		if err != nil {
			return nil, err
		}
		if local.Port() != 0 {
			list = append(list, kmod.Socket{Proto: proto, Local: local, Pid: pid})
		}
	}
	return list, nil
}

// parseLocal reads 0100007F:1F90: words of the host's order, and the port.
func parseLocal(s string) (netip.AddrPort, error) {
	at, port, _ := strings.Cut(s, ":") // without a colon there is no port
	b, err := hex.DecodeString(at)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("parse a socket's address: %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(bytes.Clone(b[i:i+4])))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(n)), nil
}
