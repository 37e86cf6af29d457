package host

// The tree of the kernel's settings, as the host sees it.

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of sysctl(9), NetBSD's sys/sysctl.h.
const (
	ctlQuery, ctlVersion, nodeSize = -2, 0x01000000, 96 // struct sysctlnode
	typeMask, typeNode, typeStruct = 0xf, 1, 5
	flagReadWrite                  = 0x70
)

// setting is a node that holds a value which can be written.
type setting struct {
	mib  []int32
	name string
}

func sysctlCall(mib []int32, old, written []byte) (int, error) {
	size := uintptr(len(old))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(old))), uintptr(unsafe.Pointer(&size)),
		uintptr(unsafe.Pointer(unsafe.SliceData(written))), uintptr(len(written)))
	if errno != 0 {
		return 0, errno
	}
	return int(size), nil
}

// settings walks the tree. What a process has of its own is left out.
func settings(mib []int32, prefix string) (found []setting) {
	ask, list := make([]byte, nodeSize), make([]byte, 512*nodeSize)
	binary.NativeEndian.PutUint32(ask, ctlVersion)
	n, err := sysctlCall(append(slices.Clone(mib), ctlQuery), list, ask)
	if err != nil {
		return nil
	}
	for node := list[:n]; len(node) >= nodeSize; node = node[nodeSize:] {
		flags := binary.NativeEndian.Uint32(node)
		name := strings.TrimPrefix(prefix+"."+unix.ByteSliceToString(node[8:40]), ".")
		below := append(slices.Clone(mib), int32(binary.NativeEndian.Uint32(node[4:])))
		switch {
		case name == "proc":
		case flags&typeMask == typeNode:
			found = append(found, settings(below, name)...)
		case flags&typeMask != typeStruct && flags&flagReadWrite == flagReadWrite:
			found = append(found, setting{below, name})
		}
	}
	return found
}

// value is what the setting holds.
func (s *setting) value() string {
	b := make([]byte, 1024)
	n, err := sysctlCall(s.mib, b, nil)
	if err != nil {
		return err.Error()
	}
	return string(b[:min(n, len(b))])
}
