package agent

// Operations on the tree of kernel settings, and revoke(2).

import (
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of sysctl(9), NetBSD's sys/sysctl.h.
const (
	ctlQuery, ctlDescribe     = -2, -7
	sysctlVersion, settingLen = 0x01000000, 96 // struct sysctlnode
	ctlTypeNode, ctlTypeMask  = 1, 0xf
)

// setting is a node of the tree.
type setting struct {
	mib  []int32
	name string
	kind uint32
}

func callSysctl(mib []int32, old, written []byte) (int, error) {
	size := uintptr(len(old))
	var newp uintptr
	if len(written) > 0 {
		newp = uintptr(unsafe.Pointer(&written[0]))
	}
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(old))), uintptr(unsafe.Pointer(&size)), newp, uintptr(len(written)))
	return int(size), errnoOrNil(errno)
}

// children are the nodes below one that has some.
func (s setting) children() []setting {
	ask, list := make([]byte, settingLen), make([]byte, 512*settingLen)
	binary.NativeEndian.PutUint32(ask, sysctlVersion)
	n, err := callSysctl(append(slices.Clone(s.mib), ctlQuery), list, ask)
	if err != nil {
		return nil
	}
	var found []setting
	for node := list[:n]; len(node) >= settingLen; node = node[settingLen:] {
		found = append(found, setting{
			mib:  append(slices.Clone(s.mib), int32(binary.NativeEndian.Uint32(node[4:]))),
			name: s.name + "." + unix.ByteSliceToString(node[8:40]),
			kind: binary.NativeEndian.Uint32(node) & ctlTypeMask,
		})
	}
	return found
}

// opSettings writes to every setting what it holds, and tells the names of
// those that took it.
func opSettings(_ *agent, _ []string, r *Reply) error {
	todo := setting{}.children()
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		if s.kind == ctlTypeNode {
			todo = append(todo, s.children()...)
			continue
		}
		r.Size++
		value := make([]byte, 1024)
		n, err := callSysctl(s.mib, value, nil)
		if err != nil || n == 0 || n > len(value) {
			continue
		}
		if _, err := callSysctl(s.mib, nil, value[:n]); err == nil {
			r.Text += s.name[1:] + " "
		}
	}
	if r.Size == 0 {
		return errors.New("there are no settings")
	}
	return nil
}

// opDescribe describes a setting that is not there: the permission is asked
// for first.
func opDescribe(*agent, []string, *Reply) error {
	const kern, number, text = 1, 4, 88 // CTL_KERN; of struct sysctlnode: sysctl_num and sysctl_desc
	node, words := make([]byte, settingLen), []byte("nothing\x00")
	binary.NativeEndian.PutUint32(node, sysctlVersion)
	binary.NativeEndian.PutUint32(node[number:], 1<<30)
	binary.NativeEndian.PutUint64(node[text:], uint64(uintptr(unsafe.Pointer(&words[0]))))
	_, err := callSysctl([]int32{kern, ctlDescribe}, make([]byte, 1024), node)
	return err
}

// opRevoke revokes a file: args[0], or a new one of the agent's own.
func opRevoke(_ *agent, args []string, _ *Reply) error {
	name := args[0]
	if name == "" {
		name = scratch("revoked")
		fd, err := unix.Open(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		defer func() { _, _ = unix.Close(fd), unix.Unlink(name) }()
	}
	return unix.Revoke(name)
}
