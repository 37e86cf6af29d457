package agent

// A bare fork: a child that has one thread and does nothing but wait to be
// killed. A Go program would bring threads of its own, which the limit of a
// cell on Linux counts, and need memory for each of hundreds.

import (
	"syscall"
	_ "unsafe" // go:linkname
)

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// fork makes a child that waits. It runs in the child without the Go runtime:
// no allocation, no stack growth, no locks.
//
//go:nosplit
//go:norace
//go:noinline
func fork() (int, syscall.Errno) {
	runtimeBeforeFork()
	pid, _, errno := syscall.RawSyscall6(sysFork, forkFlags, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return int(pid), errno
	}
	runtimeAfterForkInChild()
	for {
		_, _, _ = syscall.RawSyscall6(sysWait, 0, 0, 0, 0, 0, 0)
	}
}

// relay makes a child that forks another one and ends, and so on: a moving
// target, which never grows. One that may not fork tries again. It runs like
// fork.
//
//go:nosplit
//go:norace
//go:noinline
func relay() syscall.Errno {
	runtimeBeforeFork()
	pid, _, errno := syscall.RawSyscall6(sysFork, forkFlags, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return errno
	}
	runtimeAfterForkInChild()
	for {
		pid, _, errno = syscall.RawSyscall6(sysFork, forkFlags, 0, 0, 0, 0, 0)
		if errno == 0 && pid != 0 {
			_, _, _ = syscall.RawSyscall6(sysExit, 0, 0, 0, 0, 0, 0)
		}
	}
}
