package agent

// Numbers of the system calls of a forked child on Linux.

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// clone(2) and not clone3(2), which the emulator's filter hides. With all
// arguments 0, ppoll(2) waits for ever.
const (
	sysFork   = unix.SYS_CLONE
	forkFlags = uintptr(syscall.SIGCHLD)
	sysWait   = unix.SYS_PPOLL
	sysExit   = unix.SYS_EXIT_GROUP
)
