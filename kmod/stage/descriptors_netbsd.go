package stage

// How a child closes what is not its own.

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fCloseM is F_CLOSEM of fcntl(2), absent from x/sys: close this descriptor and
// all above.
const fCloseM = 10

const (
	sysSigaction = 340 // __sigaction_sigtramp
	sysSysctl    = 202 // __sysctl
)

// descriptorsOf says which arguments of a system call are descriptors of the
// child's. Where a new one is made (dup2's second), nothing is needed.
var descriptorsOf = map[uintptr][]int{
	unix.SYS_CHDIR: nil, unix.SYS_CHROOT: nil, unix.SYS_CLOSE: {0}, unix.SYS_CONNECT: {0}, unix.SYS_DUP: {0}, unix.SYS_DUP2: {0}, unix.SYS_DUP3: {0},
	unix.SYS_EXECVE: nil, unix.SYS_FCHDIR: {0}, unix.SYS_FCHOWN: {0}, unix.SYS_FCNTL: {0}, unix.SYS_GETPID: nil, unix.SYS_GETRLIMIT: nil, unix.SYS_IOCTL: {0}, unix.SYS_KQUEUE: nil,
	unix.SYS_OPEN: nil, unix.SYS_OPENAT: {0}, unix.SYS_READ: {0}, unix.SYS_RECVMSG: {0}, unix.SYS_SENDMSG: {0}, unix.SYS_SETGID: nil,
	unix.SYS_SETGROUPS: nil, unix.SYS_SETPGID: nil, unix.SYS_SETPRIORITY: nil, unix.SYS_SETREUID: nil, unix.SYS_SETRLIMIT: nil,
	unix.SYS_SETSID: nil, unix.SYS_SETUID: nil, unix.SYS_UMASK: nil, unix.SYS_WRITE: {0}, unix.SYS___GETCWD: nil,
	sysSigaction: nil, sysSysctl: nil, unix.SYS__LWP_SELF: nil,
}

// shutSteps close everything in the gaps. A process outside of the cell can't
// be looked at from inside, so this is in time when it comes before the entry;
// and afterwards none of it can be debugged, as root's.
func shutSteps(gaps []span) []Step {
	var steps []Step
	for _, g := range gaps {
		if g.last == lastDescriptor {
			s := Sys("", unix.SYS_FCNTL, uintptr(g.first), fCloseM, 0)
			s.Tolerate[0] = syscall.EBADF // there is none
			steps = append(steps, s)
			continue
		}
		for fd := g.first; fd <= g.last; fd++ {
			s := Sys("", unix.SYS_CLOSE, uintptr(fd))
			s.Tolerate[0] = syscall.EBADF
			steps = append(steps, s)
		}
	}
	return steps
}
