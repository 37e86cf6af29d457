package hostroot

// What the syncer takes, from the kernel's list of its own threads: kern.lwp
// (sysctl(7)).

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// struct kinfo_lwp in sys/sysctl.h, the same on all ports.
const (
	lwpSize    = 128
	lwpPercent = 100 // l_pctcpu: of a processor, as top(1) has it
	lwpName    = 108
	oneCPU     = 1 << 11 // FSCALE
)

// syncer tells what ioflush takes of a processor in percent. A kernel without a thread
// of that name takes nothing.
func (*netbsdKernel) syncer() (int, error) {
	list, err := kernelThreads()
	if err != nil {
		return 0, err
	}
	for ; len(list) >= lwpSize; list = list[lwpSize:] {
		if unix.ByteSliceToString(list[lwpName:lwpSize]) == "ioflush" {
			return int(binary.NativeEndian.Uint32(list[lwpPercent:])) * 100 / oneCPU, nil
		}
	}
	return 0, nil
}

// kernelThreads are those of process 0. There may be more with each try.
func kernelThreads() ([]byte, error) {
	const ctlKern, kernLWP = 1, 64
	for room := 256; room <= math.MaxUint16; room *= 2 {
		buf := make([]byte, room*lwpSize)
		n := uintptr(len(buf))
		mib := [...]int32{ctlKern, kernLWP, 0, lwpSize, int32(room)}
		_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), uintptr(len(mib)),
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0, 0)
		switch {
		case errno == 0:
			return buf[:n], nil
		case !errors.Is(errno, unix.ENOMEM) && !errors.Is(errno, unix.EAGAIN):
			return nil, fmt.Errorf("read kern.lwp: %w", errno)
		}
	}
	return nil, errors.New("read kern.lwp: its threads change too fast")
}
