package agent

// Numbers of the system calls of a forked child on NetBSD.

import "golang.org/x/sys/unix"

// With all arguments 0, select(2) waits for ever.
const (
	sysFork   = unix.SYS_FORK
	forkFlags = 0
	sysWait   = 417 // __select50
	sysExit   = unix.SYS_EXIT
)
