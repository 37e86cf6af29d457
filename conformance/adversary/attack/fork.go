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

// attempt is what the child does, and what it tells.
type attempt struct {
	number uintptr
	args   [6]uintptr
	// returns: the result is an errno.
	returns bool
	report  uintptr // the descriptor that the errno is written to
	errno   uint32
}

// Exit codes of a child that went on after the call: they tell the result
// where the report is closed.
const (
	exitPassed  = 100
	exitRefused = 101
)

// run forks a child that makes the attempt and ends.
//
//go:nosplit
//go:norace
//go:noinline
func (a *attempt) run() (int, syscall.Errno) {
	runtimeBeforeFork()
	pid, _, errno := syscall.RawSyscall6(sysFork, forkFlags, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return int(pid), errno
	}
	runtimeAfterForkInChild()
	r, _, errno := syscall.RawSyscall6(a.number, a.args[0], a.args[1], a.args[2], a.args[3], a.args[4], a.args[5])
	a.errno = uint32(errno)
	if errno == 0 && a.returns {
		a.errno = uint32(r)
	}
	code := uintptr(exitPassed)
	if a.errno != 0 {
		code = exitRefused
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, a.report, uintptr(unsafe.Pointer(&a.errno)), unsafe.Sizeof(a.errno))
	for {
		_, _, _ = syscall.RawSyscall(sysExit, code, 0, 0)
	}
}
