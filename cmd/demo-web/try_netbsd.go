package main

// Forbidden things to try on NetBSD.

import (
	"syscall"
	"unsafe"
)

// tryMount asks for procfs over /tmp. struct procfs_args is version and flags
// (sys/miscfs/procfs/procfs.h).
func tryMount() error {
	fs, path := []byte("procfs\x00"), []byte("/tmp\x00")
	args := [2]int32{1, 0}
	_, _, errno := syscall.Syscall6(410, // mount(2)
		uintptr(unsafe.Pointer(&fs[0])), uintptr(unsafe.Pointer(&path[0])), 0,
		uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func trySetTime() error {
	tv := now()
	return syscall.Settimeofday(&tv)
}
