package sys

// What sysctl(3) tells about a process.

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// struct kinfo_proc2 as sysctl(7) KERN_PROC2 gives it.
const (
	kinfoSize     = 680
	kinfoStat     = 360
	kinfoStartSec = 456
	kinfoStartUs  = 460
	procZombie    = 5 // SZOMB
	procDead      = 6 // SDEAD
)

// StartTime gives a process's start in microseconds. ok is false when it is
// gone or a zombie.
func StartTime(pid int) (us uint64, ok bool) {
	mib := [6]int32{1, 47, 1, int32(pid), kinfoSize, 1} // CTL_KERN, KERN_PROC2, KERN_PROC_PID
	buf := make([]byte, kinfoSize)
	n := uintptr(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), 6,
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0, 0)
	if errno != 0 || n < kinfoSize {
		return 0, false
	}
	if s := buf[kinfoStat]; s == procZombie || s == procDead {
		return 0, false
	}
	sec := binary.NativeEndian.Uint32(buf[kinfoStartSec:])
	usec := binary.NativeEndian.Uint32(buf[kinfoStartUs:])
	return uint64(sec)*1e6 + uint64(usec), true
}
