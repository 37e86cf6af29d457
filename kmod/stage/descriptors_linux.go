package stage

// How a child closes what is not its own.

import "golang.org/x/sys/unix"

// descriptorsOf says which arguments of a system call are descriptors of the
// child's. Where a new one is made (dup3's second), nothing is needed.
var descriptorsOf = map[uintptr][]int{
	unix.SYS_CAPSET: nil, unix.SYS_CHDIR: nil, unix.SYS_CHROOT: nil, unix.SYS_CLOSE: {0}, unix.SYS_CONNECT: {0}, unix.SYS_DUP3: {0},
	unix.SYS_EXECVE: nil, unix.SYS_FCHDIR: {0}, unix.SYS_FCHOWN: {0}, unix.SYS_FCNTL: {0}, unix.SYS_FSCONFIG: {0}, unix.SYS_FSMOUNT: {0}, unix.SYS_FSOPEN: nil,
	unix.SYS_GETCWD: nil, unix.SYS_GETPID: nil, unix.SYS_IOCTL: {0}, unix.SYS_MOUNT: nil, unix.SYS_OPENAT: {0}, unix.SYS_PRCTL: nil,
	unix.SYS_PRLIMIT64: nil, unix.SYS_READ: {0}, unix.SYS_RECVMSG: {0}, unix.SYS_RT_SIGACTION: nil, unix.SYS_SECCOMP: nil,
	unix.SYS_SENDMSG: {0}, unix.SYS_SETGROUPS: nil, unix.SYS_SETNS: {0}, unix.SYS_SETPGID: nil, unix.SYS_SETPRIORITY: nil, unix.SYS_SETRESGID: nil,
	unix.SYS_SETRESUID: nil, unix.SYS_SETSID: nil, unix.SYS_UMASK: nil, unix.SYS_UNSHARE: nil, unix.SYS_WRITE: {0},
}

// shutSteps close everything in the gaps, and keep the child's memory and
// descriptors from whoever may not debug all of root's processes. The exec
// makes the process an ordinary one again.
func shutSteps(gaps []span) []Step {
	steps := []Step{Sys("", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)}
	for _, g := range gaps {
		steps = append(steps, Sys("", unix.SYS_CLOSE_RANGE, uintptr(g.first), uintptr(g.last), 0))
	}
	return steps
}
