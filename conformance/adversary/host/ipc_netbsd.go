package host

// Objects of the host that are no files: of System V, queues and semaphores of
// POSIX. There are two of each, open to all and to their owner.

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of system calls that x/sys lacks, or has an older one's.
const (
	sysSemget, sysMsgget, sysShmget, sysShmctl, sysSemctl, sysMsgctl = 221, 225, 231, 443, 442, 444
	sysMqOpen, sysMqClose, sysMqUnlink                               = 257, 258, 259
	sysKsemOpen, sysKsemClose, sysKsemUnlink                         = 248, 250, 249
)

const ipcCreate, ipcRemove, ipcStat = 0o1000, 0, 2

type objects struct {
	ids map[string]int64 // shm666, …
}

// modes are those of the objects, and the keys of System V.
var modes = map[string]uintptr{"666": 0o666, "600": 0o600}

var keys = map[string]uintptr{"666": 0x61647666, "600": 0x61647600}

// makeObjects makes all, anew if there are some.
func makeObjects() (*objects, error) {
	o := &objects{ids: map[string]int64{}}
	var err error
	for name := range modes {
		err = errors.Join(err, o.make(name))
	}
	return o, err
}

func (o *objects) make(name string) error {
	mode, key := modes[name], keys[name]
	old := unix.Umask(0)
	defer unix.Umask(old)
	var errs []error
	get := func(kind string, nr uintptr, args ...uintptr) {
		a := append(args, 0, 0, 0)
		id, _, errno := unix.Syscall(nr, a[0], a[1], a[2])
		if errno != 0 {
			errs = append(errs, fmt.Errorf("make %s%s: %w", kind, name, errno))
		}
		o.ids[kind+name] = int64(id)
	}
	get("shm", sysShmget, key, 4096, mode|ipcCreate)
	get("sem", sysSemget, key, 1, mode|ipcCreate)
	get("msg", sysMsgget, key, mode|ipcCreate)
	path := append([]byte("/adv"+name), 0)
	p := uintptr(unsafe.Pointer(&path[0]))
	// The queue keeps no descriptor: opening is enough.
	fd, _, errno := unix.Syscall6(sysMqOpen, p, unix.O_CREAT|unix.O_RDWR, mode, 0, 0, 0)
	if errno != 0 {
		errs = append(errs, fmt.Errorf("make message queue: %w", errno))
	} else {
		_ = unix.Close(int(fd))
	}
	var sem uintptr
	_, _, errno = unix.Syscall6(sysKsemOpen, p, unix.O_CREAT, mode, 1, uintptr(unsafe.Pointer(&sem)), 0)
	if errno != 0 {
		errs = append(errs, fmt.Errorf("make semaphore: %w", errno))
	}
	_, _, _ = unix.Syscall(sysKsemClose, sem, 0, 0)
	return errors.Join(errs...)
}

func (o *objects) remove() {
	for name := range modes {
		_, _, _ = unix.Syscall(sysShmctl, uintptr(o.ids["shm"+name]), ipcRemove, 0)
		_, _, _ = unix.Syscall6(sysSemctl, uintptr(o.ids["sem"+name]), 0, ipcRemove, 0, 0, 0)
		_, _, _ = unix.Syscall(sysMsgctl, uintptr(o.ids["msg"+name]), ipcRemove, 0)
		path := append([]byte("/adv"+name), 0)
		_, _, _ = unix.Syscall(sysMqUnlink, uintptr(unsafe.Pointer(&path[0])), 0, 0)
		_, _, _ = unix.Syscall(sysKsemUnlink, uintptr(unsafe.Pointer(&path[0])), 0, 0)
	}
}

// look sees whether they are there and what they hold.
func (o *objects) look() view {
	v := view{}
	const getVal = 5
	for name := range modes {
		var shm, msg [256]byte
		_, _, e1 := unix.Syscall(sysShmctl, uintptr(o.ids["shm"+name]), ipcStat, uintptr(unsafe.Pointer(&shm)))
		v["ipc.shm"+name] = fmt.Sprintf("%d %x", e1, shm[:32]) // owner, mode, size: not who attached when
		_, _, e2 := unix.Syscall(sysMsgctl, uintptr(o.ids["msg"+name]), ipcStat, uintptr(unsafe.Pointer(&msg)))
		v["ipc.msg"+name] = fmt.Sprintf("%d %x", e2, msg[:64])
		value, _, e3 := unix.Syscall6(sysSemctl, uintptr(o.ids["sem"+name]), 0, getVal, 0, 0, 0)
		v["ipc.sem"+name] = fmt.Sprint(value, e3)
		path := append([]byte("/adv"+name), 0)
		p := uintptr(unsafe.Pointer(&path[0]))
		fd, _, e4 := unix.Syscall6(sysMqOpen, p, unix.O_RDWR, 0, 0, 0, 0)
		v["ipc.mq"+name] = fmt.Sprint(e4)
		if e4 == 0 {
			_ = unix.Close(int(fd))
		}
		var sem uintptr
		_, _, e5 := unix.Syscall6(sysKsemOpen, p, 0, 0, 0, uintptr(unsafe.Pointer(&sem)), 0)
		v["ipc.ksem"+name] = fmt.Sprint(e5)
		if e5 == 0 {
			_, _, _ = unix.Syscall(sysKsemClose, sem, 0, 0)
		}
	}
	return v
}

// handle is the file handle of a file: getfh(2).
func handle(path string) ([]byte, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, err
	}
	b, size := make([]byte, 128), uintptr(128)
	const sysGetfh = 395 // __getfh30
	if _, _, errno := unix.Syscall(sysGetfh, uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size))); errno != 0 {
		return nil, fmt.Errorf("get file handle: %w", errno)
	}
	return b[:size], nil
}

// hostFile is in the root directory, where a way out of a root would lead.
const hostFile = "/adversary-host"

func makeHostFile() error { return os.WriteFile(hostFile, []byte("the host's\n"), 0o644) }
