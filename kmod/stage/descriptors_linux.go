package stage

// How a child closes what is not its own.

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// descriptorsOf says which arguments of a system call are descriptors of the
// child's. Where a new one is made (dup3's second), nothing is needed.
var descriptorsOf = map[uintptr][]int{
	unix.SYS_CAPSET: nil, unix.SYS_CHDIR: nil, unix.SYS_CHROOT: nil, unix.SYS_CLOSE: {0}, unix.SYS_DUP: {0}, unix.SYS_DUP3: {0},
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

// own gives the calling thread a table of its own that has only what the child
// is to have, and what the fork itself needs: so the child never has more, not
// even before its first step.
func (f Fork) own(kept []int) error {
	if !f.OwnTable {
		return nil
	}
	if f.Cgroup > 0 {
		kept = append(kept, f.Cgroup)
		slices.Sort(kept)
	}
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return fmt.Errorf("unshare descriptors: %w", err)
	}
	return closeGaps(gaps(kept))
}

// disown closes the thread's own table: who waits for a pipe's end does not
// wait for this thread.
func (f Fork) disown() error {
	if !f.OwnTable {
		return nil
	}
	return closeGaps(gaps(nil))
}

func closeGaps(gaps []span) error {
	for _, g := range gaps {
		if err := unix.CloseRange(uint(g.first), uint(g.last), 0); err != nil {
			return fmt.Errorf("close descriptors: %w", err)
		}
	}
	return nil
}
