package netbsd

// mount(2) and getvfsstat(2).

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nativeABI is the running machine's: of NetBSD's ports that Go runs on, i386
// alone aligns 64-bit integers to 4 bytes.
func nativeABI() abi {
	a := abi{pointer: int(unsafe.Sizeof(uintptr(0))), align64: 8}
	if runtime.GOARCH == "386" {
		a.align64 = 4
	}
	return a
}

// Mount mounts a file system on target, as mount(8) does: null, nullfs or bind
// (the directory source once more), tmpfs, procfs or proc, ptyfs or devpts.
// Options are those of mount(8), mount_tmpfs(8) (also with Linux's nr_inodes)
// and mount_ptyfs(8); one that the file system does not have is an error.
// There is no recursive bind: mounts below source are not seen below target.
// Errors wrap the errno of mount(2).
func Mount(kind, source, target string, options []string) error {
	if err := mount(kind, source, target, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", kind, target, err)
	}
	return nil
}

func mount(kind, source, target string, options []string) error {
	fs, r, err := parse(kind, options)
	if err != nil {
		return err
	}
	var names [3]*byte
	for i, s := range []string{fs.kind, target, source} {
		if names[i], err = unix.BytePtrFromString(s); err != nil {
			return err
		}
	}
	// The kernel finds the source by an address that Go does not know of.
	var pin runtime.Pinner
	pin.Pin(names[2])
	defer pin.Unpin()
	c := &cStruct{abi: nativeABI()}
	fs.args(c, r, uint64(uintptr(unsafe.Pointer(names[2]))))
	args := c.bytes()
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(names[0])), uintptr(unsafe.Pointer(names[1])),
		uintptr(r.flags), uintptr(unsafe.Pointer(&args[0])), uintptr(len(args)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Calls for struct statvfs as NetBSD 10 has it, and before.
const (
	getvfsstat90 = 483
	netbsd10     = 1000000000 // kern.osrevision
	statNoWait   = 2          // ST_NOWAIT: names do not change
)

// Mounts is the mount table, in the kernel's order: what was mounted last is
// last. Errors wrap that of getvfsstat(2).
func Mounts() ([]MountPoint, error) {
	revision, err := unix.SysctlUint32("kern.osrevision")
	if err != nil {
		return nil, fmt.Errorf("read kern.osrevision: %w", err)
	}
	// A call that the kernel does not have would be a SIGSYS.
	call, layout := uintptr(unix.SYS_GETVFSSTAT), statvfs(nativeABI(), false)
	if revision >= netbsd10 {
		call, layout = getvfsstat90, statvfs(nativeABI(), true)
	}
	for spare := 8; ; spare *= 2 {
		n, _, errno := unix.Syscall(call, 0, 0, statNoWait)
		if errno != 0 {
			return nil, fmt.Errorf("read mount table: %w", errno)
		}
		room := int(n) + spare
		buf := make([]byte, room*layout.size)
		n, _, errno = unix.Syscall(call, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), statNoWait)
		switch {
		case errno != 0:
			return nil, fmt.Errorf("read mount table: %w", errno)
		case int(n) < room:
			return layout.parse(buf[:int(n)*layout.size]), nil
		}
	}
}
