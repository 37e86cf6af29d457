package sysctl

// Finding the nodes. secmodel_cell's numbers below security are dynamic: they
// change whenever the module is loaded, so they are looked up by name.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
)

// Fixed numbers of <sys/sysctl.h>.
const (
	ctlKern     = 1
	ctlSecurity = 13
	kernProc2   = 47
	ctlQuery    = -2
	sysctlVers1 = 0x01000000
)

// struct sysctlnode, the same on LP64 and ILP32: flags 0, num 4, name 8.
const (
	nodeSize = 96
	nodeNum  = 4
	nodeName = 8
	nodeText = 32
)

// nodes are the MIBs of the module's tree, see kmod/wire. A published module
// has the first four.
type nodes struct {
	version uint32 // of the interface; 0 is the published one

	id, create, destroy, list          []int32
	policy, procs, kill, stats, status []int32
}

// own tells whether the module has this project's nodes.
func (n *nodes) own() bool { return n.version != 0 }

// findNodes walks security.models.cell.
func findNodes(k kernel) (*nodes, error) {
	mib := []int32{ctlSecurity}
	for _, name := range []string{"models", "cell"} {
		children, err := query(k, mib)
		if err != nil {
			return nil, fmt.Errorf("look up sysctl security.models.cell: %w", err)
		}
		num, ok := children[name]
		if !ok {
			return nil, fmt.Errorf("sysctl security.models.cell does not exist (load the module: modload secmodel_cell): %w", kmod.ErrUnavailable)
		}
		mib = append(mib, num)
	}
	children, err := query(k, mib)
	if err != nil {
		return nil, fmt.Errorf("look up sysctl security.models.cell.*: %w", err)
	}
	n := new(nodes)
	wanted := []wantedNode{{"id", &n.id}, {"create", &n.create}, {"destroy", &n.destroy}, {"list", &n.list}}
	if num, ok := children["abi"]; ok {
		if n.version, err = version(k, below(mib, num)); err != nil {
			return nil, err
		}
		// A later version only adds to these.
		wanted = append(wanted, wantedNode{"policy", &n.policy}, wantedNode{"procs", &n.procs},
			wantedNode{"kill", &n.kill}, wantedNode{"stats", &n.stats}, wantedNode{"status", &n.status})
	}
	for _, w := range wanted {
		num, ok := children[w.name]
		if !ok {
			return nil, fmt.Errorf("sysctl security.models.cell.%s does not exist: %w", w.name, kmod.ErrUnavailable)
		}
		*w.mib = below(mib, num)
	}
	return n, nil
}

type wantedNode struct {
	name string
	mib  *[]int32
}

// below is the MIB of a node's child.
func below(mib []int32, num int32) []int32 { return append(slices.Clone(mib), num) }

// version reads the node abi.
func version(k kernel, mib []int32) (uint32, error) {
	b, err := readFixed(k, mib, nil, 4)
	if err != nil {
		return 0, fmt.Errorf("read sysctl security.models.cell.abi: %w", err)
	}
	v := binary.NativeEndian.Uint32(b)
	if v == 0 {
		return 0, fmt.Errorf("sysctl security.models.cell.abi is 0: no such version of the interface: %w", kmod.ErrUnavailable)
	}
	return v, nil
}

// query lists the children of a node: name to number.
func query(k kernel, mib []int32) (map[string]int32, error) {
	mib = below(mib, ctlQuery)
	version := make([]byte, nodeSize)
	binary.NativeEndian.PutUint32(version, sysctlVers1)
	b, err := readAll(k, mib, version)
	if errors.Is(err, syscall.ENOENT) {
		return nil, nil // no such node, or a node without children
	}
	if err != nil {
		return nil, err
	}
	return decodeNodes(b)
}

// decodeNodes reads an array of struct sysctlnode.
func decodeNodes(b []byte) (map[string]int32, error) {
	if len(b)%nodeSize != 0 {
		return nil, fmt.Errorf("%d bytes of sysctl nodes are no multiple of %d", len(b), nodeSize)
	}
	children := make(map[string]int32, len(b)/nodeSize)
	for ; len(b) > 0; b = b[nodeSize:] {
		name := b[nodeName : nodeName+nodeText]
		end := 0
		for end < len(name) && name[end] != 0 {
			end++
		}
		if end == len(name) {
			return nil, fmt.Errorf("sysctl node %q: name without a terminating NUL", name)
		}
		children[string(name[:end])] = int32(binary.NativeEndian.Uint32(b[nodeNum:]))
	}
	return children, nil
}

// readAll reads a node of unknown size: asks for the size, allows for some
// growth, and starts again when that was not enough.
func readAll(k kernel, mib []int32, newp []byte) ([]byte, error) {
	for range 16 {
		n, err := k.sysctl(mib, nil, newp)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, nil
		}
		b := make([]byte, n+n/4)
		n, err = k.sysctl(mib, b, newp)
		if errors.Is(err, syscall.ENOMEM) || err == nil && n > len(b) { // some nodes tell only by the length
			continue
		}
		if err != nil {
			return nil, err
		}
		return b[:n], nil
	}
	return nil, fmt.Errorf("it kept growing: %w", syscall.ENOMEM)
}

// readFixed reads a node whose reply has a fixed size.
func readFixed(k kernel, mib []int32, newp []byte, size int) ([]byte, error) {
	b := make([]byte, size)
	n, err := k.sysctl(mib, b, newp)
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, fmt.Errorf("reply has %d bytes, want %d", n, size)
	}
	return b, nil
}
