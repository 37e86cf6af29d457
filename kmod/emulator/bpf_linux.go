package emulator

// bpf(2), as far as the bind hooks need it. The usual library makes the
// programs (bindgen), but linked into the binary it would cost every command
// more than a millisecond before main.

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

func bpfCall[A any](cmd int, attr *A) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

type objName [unix.BPF_OBJ_NAME_LEN]byte

func nameOf(s string) (n objName) {
	copy(n[:len(n)-1], s)
	return n
}

// newHash makes a hash map.
func newHash(name string, key, value, entries uint32) (int, error) {
	attr := &struct {
		typ, key, value, entries, flags, inner, node uint32
		name                                         objName
	}{typ: unix.BPF_MAP_TYPE_HASH, key: key, value: value, entries: entries, flags: unix.BPF_F_NO_PREALLOC, name: nameOf(name)}
	fd, err := bpfCall(unix.BPF_MAP_CREATE, attr)
	if err != nil {
		return -1, fmt.Errorf("make eBPF map: %w", err)
	}
	return fd, nil
}

// Pointers in attributes are of 64 bits, as Go's are where this runs.
type elem struct {
	fd         uint32
	_          uint32
	key, value unsafe.Pointer
	_          uint64 // flags
}

func setElem[K, V any](fd int, k K, v V) error {
	e := &elem{fd: uint32(fd), key: unsafe.Pointer(&k), value: unsafe.Pointer(&v)}
	_, err := bpfCall(unix.BPF_MAP_UPDATE_ELEM, e)
	if err != nil {
		return fmt.Errorf("set eBPF map entry: %w", err)
	}
	return nil
}

// deleteElem removes an entry; one that is missing is no error.
func deleteElem[K any](fd int, k K) error {
	e := &elem{fd: uint32(fd), key: unsafe.Pointer(&k)}
	_, err := bpfCall(unix.BPF_MAP_DELETE_ELEM, e)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete eBPF map entry: %w", err)
	}
	return nil
}

// loadBind loads a program for a cgroup's bind hook; its map is rules.
func loadBind(name string, attach uint32, program []uint64, rules int) (int, error) {
	code := slices.Clone(program)
	code[bindMap] |= uint64(rules) << 32
	return loadProgram(unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, name, attach, code)
}

// uninterrupted runs f while no signal reaches its thread. The kernel stops checking a
// program, with EAGAIN, when there is one, and the Go runtime interrupts its threads so.
func uninterrupted(f func() error) error {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	return errors.Join(f(), unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
}

func loadProgram(typ uint32, name string, attach uint32, code []uint64) (int, error) {
	license := []byte("GPL\x00")
	attr := &struct {
		typ, count               uint32
		insns, license           unsafe.Pointer
		logLevel, logSize        uint32
		log                      uint64
		kernVersion, flags       uint32
		name                     objName
		ifindex, expected, _, _2 uint32
	}{
		typ: typ, count: uint32(len(code)),
		insns: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license[0]), name: nameOf(name), expected: attach,
	}
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = bpfCall(unix.BPF_PROG_LOAD, attr)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("load eBPF program %s: %w", name, err)
	}
	return fd, nil
}

type attachment struct{ target, prog, typ, flags uint32 }

func attachProgram(cgroup, prog int, typ uint32) error {
	a := &attachment{uint32(cgroup), uint32(prog), typ, unix.BPF_F_ALLOW_MULTI}
	if _, err := bpfCall(unix.BPF_PROG_ATTACH, a); err != nil {
		return fmt.Errorf("attach eBPF program: %w", err)
	}
	return nil
}

func detachProgram(cgroup, prog int, typ uint32) error {
	a := &attachment{target: uint32(cgroup), prog: uint32(prog), typ: typ}
	if _, err := bpfCall(unix.BPF_PROG_DETACH, a); err != nil {
		return fmt.Errorf("detach eBPF program: %w", err)
	}
	return nil
}

// attached lists the ids of the programs at one hook of a cgroup.
func attached(cgroup int, typ uint32) ([]uint32, error) {
	ids := make([]uint32, 16)
	attr := &struct {
		target, typ, flags, attachFlags uint32
		ids                             unsafe.Pointer
		count, _                        uint32
	}{target: uint32(cgroup), typ: typ, ids: unsafe.Pointer(&ids[0]), count: uint32(len(ids))}
	_, err := bpfCall(unix.BPF_PROG_QUERY, attr)
	if err != nil {
		return nil, fmt.Errorf("list eBPF programs: %w", err)
	}
	return ids[:min(attr.count, uint32(len(ids)))], nil
}

// hookable tells why no program can be attached to a hook of cgroups, nil if
// one can. Listing the programs there needs what attaching needs: the kernel's
// support and the caller's privilege.
func hookable(typ uint32) error {
	mount := cgroupV2()
	if mount == "" {
		return errors.New("no cgroup v2 hierarchy is mounted")
	}
	if err := usable(mount); err != nil {
		return err
	}
	fd, err := openDir(mount)
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", mount, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := attached(fd, typ); err != nil {
		return fmt.Errorf("eBPF programs cannot be attached to cgroups: %w", err)
	}
	return nil
}

// byID opens a program or a map.
func byID(cmd int, id uint32) (int, error) {
	attr := &struct{ id, next, flags uint32 }{id: id}
	fd, err := bpfCall(cmd, attr)
	if err != nil {
		return -1, fmt.Errorf("open eBPF object %d: %w", id, err)
	}
	return fd, nil
}

// progInfo gives a program's name and its first map's id, 0 for none.
func progInfo(fd int) (objName, uint32, error) {
	var maps [1]uint32
	info := &struct { // the head of struct bpf_prog_info
		typ, id       uint32
		tag           [8]byte
		jited, xlated uint32
		jitedInsns    uint64
		xlatedInsns   uint64
		loadTime      uint64
		uid, mapCount uint32
		maps          unsafe.Pointer
		name          objName
	}{mapCount: 1, maps: unsafe.Pointer(&maps[0])}
	attr := &struct {
		fd, size uint32
		info     unsafe.Pointer
	}{uint32(fd), uint32(unsafe.Sizeof(*info)), unsafe.Pointer(info)}
	_, err := bpfCall(unix.BPF_OBJ_GET_INFO_BY_FD, attr)
	if err != nil {
		return objName{}, 0, fmt.Errorf("read eBPF program's description: %w", err)
	}
	return info.name, maps[0], nil
}
