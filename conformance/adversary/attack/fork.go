package attack

// One system call in a child of its own: whatever it does to its caller, it
// does to the child.

import (
	"syscall"
	"unsafe"
)

// Everything that runs in the child has one thread and no working Go runtime:
// no allocation, no stack growth, no locks.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// attempt is a call, and how it ended.
type attempt struct {
	number uintptr
	args   [6]uintptr
	// returns: the result is an errno.
	returns bool
}

// record is what a child says after an attempt.
type record struct {
	index, errno uint32
}

const recordSize = unsafe.Sizeof(record{})

// child is what one does: attempts in turn, until one is not refused. Those
// that are change nothing, so that the next finds all as it was.
type child struct {
	attempts []attempt
	report   uintptr // the descriptor for records
	said     record
}

// Exit codes of a child that went on after its last call: they tell the result
// where the report is closed.
const (
	exitPassed  = 100
	exitRefused = 101
)

// run forks a child that makes the attempts and ends.
//
//go:nosplit
//go:norace
//go:noinline
func (c *child) run() (int, syscall.Errno) {
	runtimeBeforeFork()
	pid, _, errno := syscall.RawSyscall6(sysFork, forkFlags, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return int(pid), errno
	}
	runtimeAfterForkInChild()
	code := uintptr(exitRefused)
	for i := range c.attempts {
		a := &c.attempts[i]
		r, _, errno := syscall.RawSyscall6(a.number, a.args[0], a.args[1], a.args[2], a.args[3], a.args[4], a.args[5])
		if errno == 0 && a.returns {
			errno = syscall.Errno(r)
		}
		c.said.index, c.said.errno = uint32(i), uint32(errno)
		_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, c.report, uintptr(unsafe.Pointer(&c.said)), recordSize)
		if errno == 0 {
			code = exitPassed
			break
		}
	}
	for {
		_, _, _ = syscall.RawSyscall(sysExit, code, 0, 0)
	}
}
