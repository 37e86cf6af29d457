package mount

// mount(2) of NetBSD, whose arguments are a structure for each file system.

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FS is mount(2) with a file system's argument structure as bytes.
func FS(kind, on string, args []byte) error {
	k, err := unix.BytePtrFromString(kind)
	if err != nil {
		return err
	}
	p, err := unix.BytePtrFromString(on)
	if err != nil {
		return err
	}
	const sysMount = 410 // __mount50
	_, _, errno := unix.Syscall6(sysMount, uintptr(unsafe.Pointer(k)), uintptr(unsafe.Pointer(p)), 0,
		uintptr(unsafe.Pointer(unsafe.SliceData(args))), uintptr(len(args)), 0)
	runtime.KeepAlive(args)
	if errno != 0 {
		return errno
	}
	return nil
}

// Words are the fields of a structure that has 32-bit ones only.
func Words(fields ...uint32) (args []byte) {
	for _, f := range fields {
		args = binary.NativeEndian.AppendUint32(args, f)
	}
	return args
}

// Tmpfs mounts a tmpfs with as many nodes and as much memory as there is.
func Tmpfs(on string, mode uint32) error { return FS("tmpfs", on, TmpfsArgs(mode)) }

// TmpfsArgs is struct tmpfs_args of such a tmpfs: version 1, the two of 64 bits,
// uid, gid and mode. Ports but i386 align 64 bits to 8 bytes.
func TmpfsArgs(mode uint32) []byte {
	if runtime.GOARCH == "386" {
		return Words(1, 0, 0, 0, 0, 0, 0, mode)
	}
	return Words(1, 0, 0, 0, 0, 0, 0, 0, mode, 0)
}
