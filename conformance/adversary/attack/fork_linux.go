package attack

// What differs on Linux, and in an emulation of it.

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	sysFork   = unix.SYS_CLONE
	forkFlags = uintptr(syscall.SIGCHLD)
	sysExit   = unix.SYS_EXIT_GROUP
	// noCall is the errno of a call that is not there.
	noCall = unix.ENOSYS
)

// asleep can't tell: an emulation says nothing of it. Time has to.
func asleep(int) (string, bool) { return "", false }
