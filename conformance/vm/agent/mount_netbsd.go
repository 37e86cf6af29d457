package main

// Mounting: the file systems that the kernel has, with the argument structures
// of their headers as bytes.

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/mount"
	"golang.org/x/sys/unix"
)

// Flags of mount(2).
const (
	mntReadOnly = 0x1
	mntUpdate   = 0x10000
	mntLog      = 0x2000000
)

// fileSystem is a call of mount(2). Of, if not empty, is the path whose
// address comes first in the arguments.
type fileSystem struct {
	kind, on string
	flags    uintptr
	of       string
	args     []byte
}

// systemMounts make a writable system of a root that is mounted read-only.
var systemMounts = []fileSystem{
	{kind: "ffs", on: "/", flags: mntUpdate, args: make([]byte, 136)}, // struct ufs_args, the device unchanged
	tmpfs("/tmp", 0o1777),
	tmpfs("/var/run", 0o755),
	{kind: "procfs", on: "/proc", args: mount.Words(1, 1)},                    // version 1, Linux's files too
	{kind: "ptyfs", on: "/dev/pts", args: mount.Words(2, groupTTY, 0o620, 0)}, // version 2
}

const groupTTY = 4

func tmpfs(on string, mode uint32) fileSystem {
	return fileSystem{kind: "tmpfs", on: on, args: mount.TmpfsArgs(mode)}
}

// nullfs shows a directory at another place: struct null_args is its name, and
// the unused export_args30; nothing but padding for the latter on i386.
func nullfs(of, on string, flags uintptr) fileSystem {
	return fileSystem{kind: "null", on: on, of: of, flags: flags, args: make([]byte, 136)}
}

func (f *fileSystem) mount() error {
	kind, err := unix.BytePtrFromString(f.kind)
	if err != nil {
		return err
	}
	on, err := unix.BytePtrFromString(f.on)
	if err != nil {
		return err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	if f.of != "" {
		of, err := unix.BytePtrFromString(f.of)
		if err != nil {
			return err
		}
		pin.Pin(of)
		binary.NativeEndian.PutUint64(f.args, uint64(uintptr(unsafe.Pointer(of))))
	}
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(kind)), uintptr(unsafe.Pointer(on)),
		f.flags, uintptr(unsafe.Pointer(&f.args[0])), uintptr(len(f.args)), 0)
	if errno != 0 {
		return fmt.Errorf("mount %s on %s: %w", f.kind, f.on, errno)
	}
	return nil
}
