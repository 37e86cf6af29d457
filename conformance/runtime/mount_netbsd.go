// Mounting on the host, which has one mount table for all.

package runtime

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a tmpfs for the time of the case (struct tmpfs_args,
// version 1, as many nodes and as much memory as there is).
func mountTmpfs(t *t, dir string) {
	args := struct {
		version   int32
		nodes     uint64
		size      int64
		uid, gid  uint32
		mode, pad uint32
	}{version: 1, mode: 0o755}
	kind, err := unix.BytePtrFromString("tmpfs")
	t.Must("mount tmpfs", err)
	on, err := unix.BytePtrFromString(dir)
	t.Must("mount tmpfs", err)
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(kind)), uintptr(unsafe.Pointer(on)), 0,
		uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	runtime.KeepAlive(&args)
	if errno != 0 {
		t.Must("mount tmpfs", errno)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, 0) })
}
