package sys

// What NetBSD's process list says of one process, apart from the call, so that
// it is tested anywhere.

import "encoding/binary"

// struct kinfo_proc2 as sysctl(7) KERN_PROC2 gives it.
const (
	kinfoSize     = 680
	kinfoStat     = 360
	kinfoValid    = 448 // p_uvalid: what follows is filled in
	kinfoStartSec = 456
	kinfoStartUs  = 460
)

// States of a process without regard to its threads (sys/proc.h).
const (
	procIdle   = 1 // SIDL
	procActive = 2 // SACTIVE
	procStop   = 4 // SSTOP
)

// life is what a record tells.
type life int

const (
	ended life = iota // gone, a zombie, or on the way there
	lives             // and the start is known
	busy              // it lives, and will say more in a moment
)

// parseKinfo reads a process's start in microseconds. While a process is in
// execve(2) the kernel cannot look into it and fills in as little as for a
// zombie, but for the state, which is then the process's own and no thread's.
func parseKinfo(b []byte) (start uint64, l life) {
	if len(b) < kinfoSize {
		return 0, ended
	}
	if binary.NativeEndian.Uint64(b[kinfoValid:]) != 0 {
		sec, us := binary.NativeEndian.Uint32(b[kinfoStartSec:]), binary.NativeEndian.Uint32(b[kinfoStartUs:])
		return uint64(sec)*1e6 + uint64(us), lives
	}
	switch b[kinfoStat] {
	case procIdle, procActive, procStop:
		return 0, busy
	}
	return 0, ended
}
