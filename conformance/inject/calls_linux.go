package inject

// The system calls: which are left alone, and how the others are named.

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The reasons to leave a call alone.
const (
	never  = "can't fail"
	goOwn  = "the Go runtime's own: it ends the program where it fails"
	closes = "closes the descriptor whatever it returns, which a call that is not carried out would not"
)

// alone are the calls that no error is put into, and why.
var alone = map[int]string{
	unix.SYS_EXIT: never, unix.SYS_EXIT_GROUP: never, unix.SYS_RT_SIGRETURN: never, unix.SYS_RESTART_SYSCALL: never,
	unix.SYS_GETPID: never, unix.SYS_GETPPID: never, unix.SYS_GETTID: never, unix.SYS_UMASK: never,
	unix.SYS_GETUID: never, unix.SYS_GETEUID: never, unix.SYS_GETGID: never, unix.SYS_GETEGID: never, unix.SYS_SCHED_YIELD: never,
	unix.SYS_FUTEX: goOwn, unix.SYS_MMAP: goOwn, unix.SYS_MUNMAP: goOwn, unix.SYS_MADVISE: goOwn, unix.SYS_MPROTECT: goOwn, unix.SYS_BRK: goOwn,
	unix.SYS_MINCORE: goOwn, unix.SYS_SCHED_GETAFFINITY: goOwn, unix.SYS_NANOSLEEP: goOwn, unix.SYS_CLOCK_GETTIME: goOwn, unix.SYS_CLOCK_NANOSLEEP: goOwn,
	unix.SYS_RT_SIGACTION: goOwn, unix.SYS_RT_SIGPROCMASK: goOwn, unix.SYS_SIGALTSTACK: goOwn, unix.SYS_TGKILL: goOwn, unix.SYS_SETITIMER: goOwn,
	unix.SYS_TIMER_CREATE: goOwn, unix.SYS_TIMER_SETTIME: goOwn, unix.SYS_TIMER_DELETE: goOwn, unix.SYS_SET_ROBUST_LIST: goOwn, unix.SYS_RSEQ: goOwn,
	unix.SYS_EPOLL_CREATE1: goOwn, unix.SYS_EPOLL_CTL: goOwn, unix.SYS_EPOLL_PWAIT: goOwn, unix.SYS_EVENTFD2: goOwn, unix.SYS_GETRANDOM: goOwn,
	unix.SYS_CLOSE: closes, unix.SYS_CLOSE_RANGE: closes,
}

// call is how a system call is shown: its name, and what it is about.
type call struct {
	name string
	path int // the argument that is a path; noPath: the first is a descriptor
}

const noPath = -1

var calls = map[int]call{
	unix.SYS_OPENAT: {"openat", 1}, unix.SYS_OPENAT2: {"openat2", 1}, unix.SYS_MKDIRAT: {"mkdirat", 1}, unix.SYS_MKNODAT: {"mknodat", 1},
	unix.SYS_UNLINKAT: {"unlinkat", 1}, unix.SYS_SYMLINKAT: {"symlinkat", 2}, unix.SYS_LINKAT: {"linkat", 1}, unix.SYS_RENAMEAT: {"renameat", 3},
	unix.SYS_RENAMEAT2: {"renameat2", 3}, unix.SYS_READLINKAT: {"readlinkat", 1}, unix.SYS_FACCESSAT: {"faccessat", 1}, unix.SYS_FACCESSAT2: {"faccessat2", 1},
	unix.SYS_FCHOWNAT: {"fchownat", 1}, unix.SYS_FCHMODAT: {"fchmodat", 1}, unix.SYS_STATX: {"statx", 1}, unix.SYS_STATFS: {"statfs", 0},
	unix.SYS_EXECVE: {"execve", 0}, unix.SYS_CHDIR: {"chdir", 0}, unix.SYS_CHROOT: {"chroot", 0}, unix.SYS_PIVOT_ROOT: {"pivot_root", 0},
	unix.SYS_MOUNT: {"mount", 1}, unix.SYS_UMOUNT2: {"umount2", 0}, unix.SYS_OPEN_TREE: {"open_tree", 1}, unix.SYS_MOVE_MOUNT: {"move_mount", 3},
	unix.SYS_FSOPEN: {"fsopen", 0}, unix.SYS_SETXATTR: {"setxattr", 0}, unix.SYS_GETXATTR: {"getxattr", 0}, unix.SYS_MOUNT_SETATTR: {"mount_setattr", 1},
	unix.SYS_UTIMENSAT: {"utimensat", 1}, unix.SYS_FSCONFIG: {"fsconfig", 2},
	unix.SYS_FSMOUNT: {"fsmount", noPath}, unix.SYS_READ: {"read", noPath}, unix.SYS_WRITE: {"write", noPath}, unix.SYS_PREAD64: {"pread64", noPath},
	unix.SYS_FSTAT: {"fstat", noPath}, unix.SYS_FSTATFS: {"fstatfs", noPath}, unix.SYS_FCNTL: {"fcntl", noPath}, unix.SYS_FLOCK: {"flock", noPath},
	unix.SYS_FTRUNCATE: {"ftruncate", noPath}, unix.SYS_FSYNC: {"fsync", noPath}, unix.SYS_FCHMOD: {"fchmod", noPath}, unix.SYS_FCHOWN: {"fchown", noPath},
	unix.SYS_FCHDIR: {"fchdir", noPath}, unix.SYS_GETDENTS64: {"getdents64", noPath}, unix.SYS_IOCTL: {"ioctl", noPath}, unix.SYS_DUP3: {"dup3", noPath},
	unix.SYS_DUP: {"dup", noPath}, unix.SYS_LSEEK: {"lseek", noPath}, unix.SYS_SENDMSG: {"sendmsg", noPath}, unix.SYS_RECVMSG: {"recvmsg", noPath},
	unix.SYS_SENDTO: {"sendto", noPath}, unix.SYS_RECVFROM: {"recvfrom", noPath}, unix.SYS_SETNS: {"setns", noPath}, unix.SYS_PPOLL: {"ppoll", noPath},
	unix.SYS_CLONE: {"clone", noPath}, unix.SYS_CLONE3: {"clone3", noPath}, unix.SYS_UNSHARE: {"unshare", noPath}, unix.SYS_WAIT4: {"wait4", noPath},
	unix.SYS_WAITID: {"waitid", noPath}, unix.SYS_KILL: {"kill", noPath}, unix.SYS_PIDFD_OPEN: {"pidfd_open", noPath},
	unix.SYS_PIDFD_SEND_SIGNAL: {"pidfd_send_signal", noPath}, unix.SYS_PRCTL: {"prctl", noPath}, unix.SYS_PRLIMIT64: {"prlimit64", noPath},
	unix.SYS_PIPE2: {"pipe2", noPath}, unix.SYS_SOCKET: {"socket", noPath}, unix.SYS_SOCKETPAIR: {"socketpair", noPath}, unix.SYS_CONNECT: {"connect", noPath},
	unix.SYS_SETSID: {"setsid", noPath}, unix.SYS_SETRESUID: {"setresuid", noPath}, unix.SYS_SETRESGID: {"setresgid", noPath}, unix.SYS_SETGROUPS: {"setgroups", noPath},
	unix.SYS_GETGROUPS: {"getgroups", noPath}, unix.SYS_CAPGET: {"capget", noPath}, unix.SYS_CAPSET: {"capset", noPath}, unix.SYS_BPF: {"bpf", noPath},
	unix.SYS_SECCOMP: {"seccomp", noPath}, unix.SYS_SETHOSTNAME: {"sethostname", noPath}, unix.SYS_GETCWD: {"getcwd", noPath}, unix.SYS_UNAME: {"uname", noPath},
	unix.SYS_MEMFD_CREATE: {"memfd_create", noPath}, unix.SYS_GETSOCKOPT: {"getsockopt", noPath}, unix.SYS_SETSOCKOPT: {"setsockopt", noPath},
}

// name is a call's, for a report and for its number among those of the name.
func name(nr int) string {
	if c, ok := calls[nr]; ok {
		return c.name
	}
	if n, ok := portCalls[nr]; ok {
		return n.name
	}
	return fmt.Sprintf("call %d", nr)
}

// subject tells what a call of a process is about: the path that it passes, or
// what its first argument is open on.
func subject(n *notification) string {
	c, ok := calls[int(n.Nr)]
	if !ok {
		c, ok = portCalls[int(n.Nr)]
	}
	switch {
	case !ok:
		return ""
	case c.path == noPath:
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.Pid, int32(n.Args[0])))
		return target
	}
	return text(n.Pid, n.Args[c.path])
}

// text reads a string of another process.
func text(pid uint32, at uint64) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	const page = 4096
	b := make([]byte, page-at%page) // up to the end of the page: the next may not be there
	got, _ := mem.ReadAt(b, int64(at))
	s, _, _ := strings.Cut(string(b[:got]), "\x00")
	return s
}
