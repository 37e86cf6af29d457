package host

// Objects of System V that outlive who made them: what an adversary leaves is
// taken away, so that the next one finds what the first one found.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// family is a kind of objects of System V. Its node of kern.ipc.sysvipc_info
// (sysctl(7)) has a head and then entries, which begin with a struct
// ipc_perm_sysctl.
type family struct {
	name              string
	node, head, entry int
	remove            func(id uintptr) unix.Errno
}

const ipcSequence = 28 // offset in struct ipc_perm_sysctl

var families = []family{
	{"msg", 4, 24, 96, func(id uintptr) unix.Errno {
		_, _, errno := unix.Syscall(sysMsgctl, id, ipcRemove, 0)
		return errno
	}},
	{"sem", 5, 40, 56, func(id uintptr) unix.Errno {
		_, _, errno := unix.Syscall6(sysSemctl, id, 0, ipcRemove, 0, 0, 0)
		return errno
	}},
	{"shm", 6, 24, 80, func(id uintptr) unix.Errno {
		_, _, errno := unix.Syscall(sysShmctl, id, ipcRemove, 0)
		return errno
	}},
}

// ids are the numbers of all places, also of those where nothing is.
func (f *family) ids() (list []int64, err error) {
	b, err := unix.SysctlRaw("kern.ipc.sysvipc_info", f.node)
	if err != nil {
		return nil, fmt.Errorf("list objects of kind %s: %w", f.name, err)
	}
	for at := f.head; at+f.entry <= len(b); at += f.entry {
		sequence := binary.NativeEndian.Uint16(b[at+ipcSequence:])
		list = append(list, int64(int32(uint32(sequence)<<16|uint32(len(list)))))
	}
	return list, nil
}

// strays removes the objects that are not the host's, and says how many.
func (o *objects) strays() (removed int, err error) {
	for i := range families {
		f := &families[i]
		ids, listErr := f.ids()
		err = errors.Join(err, listErr)
		for _, id := range ids {
			if id == o.ids[f.name+"666"] || id == o.ids[f.name+"600"] {
				continue
			}
			// EINVAL: there is none.
			switch errno := f.remove(uintptr(id)); errno {
			case 0:
				removed++
			case unix.EINVAL:
			default:
				err = errors.Join(err, fmt.Errorf("remove %s %d of the adversary: %w", f.name, id, errno))
			}
		}
	}
	return removed, err
}
