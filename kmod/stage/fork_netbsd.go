package stage

// fork(2), which leaves nothing to choose.

import "syscall"

const sysExit = syscall.SYS_EXIT

// Fork says how the child is made; NetBSD has fork(2) and nothing to choose.
type Fork struct{}

type childFork struct{}

// prepare has nothing to do. fork(2) keeps the Go runtime's signal handlers,
// but syscall.runtime_AfterForkInChild, which forkRun calls in the child,
// sets every signal that has one back to its default, SIGPIPE too. So a child
// whose parent is gone dies of its report: nobody is left to read it.
func (c *childFork) prepare(Fork) {}

// fork returns 0 in the child.
//
//go:nosplit
//go:norace
func (c *childFork) fork() (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	return r, errno
}
