package signals

// Linux's numbers.

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// catchable is false for the three that C libraries may keep for themselves
// (signal(7), "Real-time signals"): the Go runtime leaves them alone.
func catchable(s syscall.Signal) bool { return s < 32 || s > 34 }

// ignore makes the kernel drop a signal that has its default action, without
// the Go runtime, which has its own use for one of them.
func ignore(s syscall.Signal) {
	// struct kernel_sigaction: handler, flags, restorer, mask
	old, ign := new([4]uint64), &[4]uint64{sigIgn}
	const set = 8 // bytes of a mask
	_, _, errno := unix.Syscall6(unix.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(old)), set, 0, 0)
	if errno == 0 && old[0] == sigDfl {
		_, _, _ = unix.Syscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(ign)), 0, set, 0, 0)
	}
}
