package agent

// Operations that each need a permission of the policy. As root on the host
// each of them is harmless: it sets what is set already, or names what does
// not exist, so that the check of the permission comes first and nothing
// comes of it.

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func powerOps() map[string]operation {
	return map[string]operation{
		"mount": {0, false, opMount}, "unmount": {0, false, opUnmount}, "chroot": {0, true, opChroot}, "fchroot": {0, true, opFchroot}, "mknod": {1, false, opMknod},
		"sysctl": {0, false, opSysctl}, "settime": {0, false, opSettime}, "adjtime": {0, false, opAdjtime},
		"module": {0, true, opModule}, "reboot": {0, true, opReboot}, "swap": {0, true, opSwap}, "account": {0, true, opAccount},
		"handle": {0, true, opHandle}, "sysv": {0, true, opSysV}, "chown": {0, false, opChown}, "setid": {0, true, opSetID},
		"raise": {0, true, opRaise}, "interface": {0, false, opInterface}, "sti": {0, true, opSTI}, "iopl": {0, true, opIopl},
	}
}

// scratch is a name that no other agent uses at the same time.
func scratch(what string) string {
	return "/tmp/" + what + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano()%1e9, 36)
}

// missing does not exist.
const missing = "/nonexistent"

func opUnmount(*agent, []string, *Reply) error { return unix.Unmount("/tmp", 0) }

func opChroot(*agent, []string, *Reply) error { return unix.Chroot("/tmp") }

// opMknod makes a device node like the one at args[0].
func opMknod(_ *agent, args []string, _ *Reply) error {
	var st unix.Stat_t
	if err := unix.Stat(args[0], &st); err != nil {
		return err
	}
	name := scratch("node")
	if err := MakeNode(name, uint32(st.Mode)&unix.S_IFMT|0o600, uint64(st.Rdev)); err != nil {
		return err
	}
	return unix.Unlink(name)
}

// opSettime sets the clock to what it says.
func opSettime(*agent, []string, *Reply) error {
	var now unix.Timeval
	if err := unix.Gettimeofday(&now); err != nil {
		return err
	}
	return unix.Settimeofday(&now)
}

// opChown gives a file of the agent's own away.
func opChown(*agent, []string, *Reply) error {
	name := scratch("file")
	fd, err := unix.Open(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	return errors.Join(unix.Chown(name, 1000, 1000), unix.Unlink(name))
}

// opSetID takes ids that are not the agent's.
func opSetID(*agent, []string, *Reply) error { return unix.Setregid(12345, 12345) }

// opRaise raises the child's own priority.
func opRaise(*agent, []string, *Reply) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -5) }
