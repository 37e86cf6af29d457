package stage

import "syscall"

const sysExit = syscall.SYS_EXIT

// Fork says how the child is made; NetBSD has fork(2) and nothing to choose.
type Fork struct{}

type childFork struct{}

func (c *childFork) prepare(Fork) {}

// fork returns 0 in the child.
//
//go:nosplit
//go:norace
func (c *childFork) fork() (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	return r, errno
}
