package stage

// clone3(2) in place of fork(2).

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sysExit = unix.SYS_EXIT_GROUP

// Fork says how the child is made.
type Fork struct {
	// Flags are CLONE_NEW* flags.
	Flags uintptr
	// Cgroup is a descriptor of the cgroup v2 directory that the child is
	// born in; 0 = the parent's.
	Cgroup int
}

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidfd, childTid, parentTid, exitSignal     uint64
	stack, stackSize, tls, setTid, setTidSize, cgroup uint64
}

type childFork struct {
	args cloneArgs
	born uintptr // where a Birth writes the pid, an int32
}

// prepare asks for default signal actions in the child (CLONE_CLEAR_SIGHAND,
// Linux 5.5): the Go runtime's handlers must not run there.
func (c *childFork) prepare(f Fork) {
	c.args = cloneArgs{
		flags:      uint64(f.Flags) | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
	}
	if f.Cgroup > 0 {
		c.args.flags |= unix.CLONE_INTO_CGROUP
		c.args.cgroup = uint64(f.Cgroup)
	}
}

//go:nosplit
//go:norace
func (c *childFork) fork() (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&c.args)), unsafe.Sizeof(c.args), 0)
	return r, errno
}
