package inject

// Calls that amd64 has and newer ports have not.

import "golang.org/x/sys/unix"

// portCalls are those that not every port has.
var portCalls = map[int]call{
	unix.SYS_NEWFSTATAT: {"newfstatat", 1}, unix.SYS_MKDIR: {"mkdir", 0}, unix.SYS_RMDIR: {"rmdir", 0}, unix.SYS_UNLINK: {"unlink", 0},
	unix.SYS_OPEN: {"open", 0}, unix.SYS_STAT: {"stat", 0}, unix.SYS_LSTAT: {"lstat", 0}, unix.SYS_READLINK: {"readlink", 0}, unix.SYS_SYMLINK: {"symlink", 1},
	unix.SYS_RENAME: {"rename", 1}, unix.SYS_ACCESS: {"access", 0}, unix.SYS_CHMOD: {"chmod", 0}, unix.SYS_CHOWN: {"chown", 0}, unix.SYS_MKNOD: {"mknod", 0},
	unix.SYS_FORK: {"fork", noPath}, unix.SYS_VFORK: {"vfork", noPath}, unix.SYS_POLL: {"poll", noPath}, unix.SYS_SETRLIMIT: {"setrlimit", noPath},
	unix.SYS_GETRLIMIT: {"getrlimit", noPath}, unix.SYS_DUP2: {"dup2", noPath}, unix.SYS_PIPE: {"pipe", noPath},
}

// portAlone are those that only this port has and that are left alone.
var portAlone = map[int]string{unix.SYS_ARCH_PRCTL: goOwn}
