package signals

// NetBSD's numbers.

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// catchable is false for real-time signals: the Go runtime knows none here, but
// those up to SIGPWR.
func catchable(s syscall.Signal) bool { return s <= sigPwr }

const (
	sigPwr       = 32
	sysSigaction = 340 // __sigaction_sigtramp(sig, new, old, trampoline, version)
)

// sigaction is struct sigaction of NetBSD's sys/signal.h.
type sigaction struct {
	handler uintptr
	mask    [4]uint32
	flags   int32
}

// ignore makes the kernel drop a signal that the Go runtime does not know.
func ignore(s syscall.Signal) {
	action := &sigaction{handler: sigIgn}
	_, _, _ = unix.Syscall6(sysSigaction, uintptr(s), uintptr(unsafe.Pointer(action)), 0, 0, 0, 0)
}
