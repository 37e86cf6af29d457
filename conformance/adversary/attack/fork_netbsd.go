package attack

// What differs on NetBSD.

import "golang.org/x/sys/unix"

const (
	sysFork   = unix.SYS_FORK
	forkFlags = 0
	sysExit   = unix.SYS_EXIT
	// noCall is the errno of a call that is not there: none, it is a signal.
	noCall = unix.Errno(0)
)

// asleep tells whether a process waits for something: then time will not
// change it. kern.proc2 (sysctl(7)) has the state, what is waited for, and how
// often it has stopped to wait.
func asleep(pid int) (state string, yes bool) {
	const byPid, size, stat, message, switches, sleeping = 1, 680, 360, 392, 576, 3
	b, err := unix.SysctlRaw("kern.proc2", byPid, pid, size, 1)
	if err != nil || len(b) != size || b[stat] != sleeping {
		return "", false
	}
	return string(b[message:message+8]) + string(b[switches:switches+8]), true
}
