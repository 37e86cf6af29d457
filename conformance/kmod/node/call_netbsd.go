package node

// Raw calls of the module's nodes through __sysctl(2).

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
	"golang.org/x/sys/unix"
)

// Open gives the machine's cells: the kernel has no state root.
func Open(string) (kmod.Client, error) { return sysctl.Open() }

// nowhere is an address that no program has mapped.
const nowhere = 8

// Do makes the call. The number of bytes that the kernel says it has or needs
// is in Size.
func (q *Call) Do() Reply {
	mib, err := findNode(q.Name)
	if err != nil {
		return Failed(err)
	}
	// The kernel is told addresses, so nothing may move meanwhile.
	var pin runtime.Pinner
	defer pin.Unpin()
	reply, size := make([]byte, q.Room+1), new(uintptr)
	*size = uintptr(q.Room)
	pin.Pin(&reply[0])
	pin.Pin(size)
	oldp, sizep := uintptr(unsafe.Pointer(&reply[0])), uintptr(unsafe.Pointer(size))
	var newp, newlen uintptr
	if len(q.Request) > 0 {
		pin.Pin(&q.Request[0])
		newp, newlen = uintptr(unsafe.Pointer(&q.Request[0])), uintptr(len(q.Request))
	}
	if q.BadRequest > 0 {
		newp, newlen = nowhere, uintptr(q.BadRequest)
	}
	switch {
	case q.BadReply:
		oldp = nowhere
	case q.NoReply:
		oldp = 0
	case q.Room == 0:
		oldp, sizep = 0, 0
	}
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)), oldp, sizep, newp, newlen)
	var r Reply
	if errno != 0 {
		r = Failed(errno)
	}
	if sizep != 0 {
		r.Size = int(*size)
	}
	if errno == 0 && oldp != 0 && !q.BadReply {
		r.Bytes = reply[:min(r.Size, q.Room)]
	}
	return r
}

// errNoNode: the module is not loaded, or it is one without this node.
var errNoNode = errors.New("no such node")

// findNode walks from security down to a node of the module. The numbers are
// dynamic, so a query of sysctl(9) gives the children of each.
func findNode(name string) ([]int32, error) {
	const ctlSecurity = 13
	mib := []int32{ctlSecurity}
	for _, part := range []string{"models", "cell", name} {
		number, err := childOf(mib, part)
		if err != nil {
			return nil, fmt.Errorf("find security.models.cell.%s: %w", name, err)
		}
		mib = append(mib, number)
	}
	return mib, nil
}

func childOf(mib []int32, name string) (int32, error) {
	const query, version, nodeSize, room = -2, 0x01000000, 96, 256
	mib = append(append([]int32{}, mib...), query)
	ask, list := make([]byte, nodeSize), make([]byte, room*nodeSize)
	binary.NativeEndian.PutUint32(ask, version)
	size := uintptr(len(list))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(unsafe.Pointer(&list[0])), uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&ask[0])), nodeSize)
	if errno != 0 {
		return 0, errno
	}
	for node := list[:size]; len(node) >= nodeSize; node = node[nodeSize:] {
		if unix.ByteSliceToString(node[8:40]) == name {
			return int32(binary.NativeEndian.Uint32(node[4:])), nil
		}
	}
	return 0, errNoNode
}

// Enter makes the calling process a member of a cell: the call of node id.
func Enter(id uint32) error {
	r := (&Call{Name: "id", Request: binary.NativeEndian.AppendUint32(nil, id)}).Do()
	if r.Errno == "" {
		return nil
	}
	for n := range unix.Errno(200) {
		if unix.ErrnoName(n) == r.Errno {
			return n
		}
	}
	return errors.New(r.Errno)
}
