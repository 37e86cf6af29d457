package stage

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// dupTo0 makes a copy of a descriptor that is 0.
func dupTo0(fd uintptr) Step { return Sys("dup", unix.SYS_DUP3, fd, 0, 0) }

// What each call is known to take: what a child closes depends on it.
func TestDescriptorsOfCalls(t *testing.T) {
	first := []uintptr{
		unix.SYS_CLOSE, unix.SYS_CONNECT, unix.SYS_DUP3, unix.SYS_FCHDIR, unix.SYS_FCHOWN, unix.SYS_FCNTL, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT,
		unix.SYS_IOCTL, unix.SYS_OPENAT, unix.SYS_READ, unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_SETNS, unix.SYS_WRITE,
	}
	none := []uintptr{
		unix.SYS_CAPSET, unix.SYS_CHDIR, unix.SYS_CHROOT, unix.SYS_EXECVE, unix.SYS_FSOPEN, unix.SYS_GETCWD, unix.SYS_GETPID, unix.SYS_MOUNT, unix.SYS_PRCTL,
		unix.SYS_PRLIMIT64, unix.SYS_RT_SIGACTION, unix.SYS_SECCOMP, unix.SYS_SETGROUPS, unix.SYS_SETPGID, unix.SYS_SETPRIORITY, unix.SYS_SETRESGID,
		unix.SYS_SETRESUID, unix.SYS_SETSID, unix.SYS_UMASK, unix.SYS_UNSHARE,
	}
	for _, nr := range slices.Concat(first, none) {
		s := Sys("call", nr, 30, 31, 32, 33, 34, 35)
		var want []int
		if slices.Contains(first, nr) {
			want = []int{30}
		}
		if got, err := s.uses(); err != nil || !slices.Equal(got, want) {
			t.Errorf("system call %d takes %v, %v; want %v", nr, got, err, want)
		}
	}
	if n := len(first) + len(none); n != len(descriptorsOf) {
		t.Errorf("%d calls are known, of %d", n, len(descriptorsOf))
	}
}
