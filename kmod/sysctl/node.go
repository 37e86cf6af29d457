package sysctl

// Finding the nodes. secmodel_cell's numbers below security are dynamic: they
// change whenever the module is loaded, so they are looked up by name.

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// nodes are the MIBs of the published tree.
type nodes struct {
	id, create, destroy, list []int32
}

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
	var n nodes
	for _, want := range []struct {
		name string
		mib  *[]int32
	}{{"id", &n.id}, {"create", &n.create}, {"destroy", &n.destroy}, {"list", &n.list}} {
		num, ok := children[want.name]
		if !ok {
			return nil, fmt.Errorf("sysctl security.models.cell.%s does not exist: %w", want.name, kmod.ErrUnavailable)
		}
		*want.mib = append(append([]int32(nil), mib...), num)
	}
	return &n, nil
}

// query lists the children of a node: name to number.
func query(k kernel, mib []int32) (map[string]int32, error) {
	mib = append(append([]int32(nil), mib...), ctlQuery)
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
		if errors.Is(err, syscall.ENOMEM) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return b[:n], nil
	}
	return nil, fmt.Errorf("it kept growing: %w", syscall.ENOMEM)
}
