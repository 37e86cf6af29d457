package agent

// Operations as Linux spells them.

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/mount"
	"golang.org/x/sys/unix"
)

const (
	routeDomain = unix.AF_NETLINK
	routeProto  = unix.NETLINK_ROUTE
	linkDomain  = unix.AF_UNSPEC // there is none
)

func systemOps() map[string]operation {
	return map[string]operation{
		"procs": {0, false, opProcs}, "watch": {1, false, opWatch}, "ptrace": {1, true, opPtrace}, "ktrace": {1, true, opMissing}, "untrace": {1, true, opMissing},
		"memory": {1, false, opMemory}, "pty": {0, false, opPty}, "leave": {0, false, opLeave}, "enter": {1, false, opEnter},
		"posixspawn": {0, true, opMissing},
	}
}

// opMissing is an operation that this system has nothing like.
func opMissing(*agent, []string, *Reply) error { return unix.ENOSYS }

// Traced has nothing to look at: the case says OS NetBSD.
func Traced(int) bool { return false }

// opProcs lists the processes in /proc.
func opProcs(_ *agent, _ []string, r *Reply) error {
	d, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			r.Pids = append(r.Pids, pid)
		}
	}
	return err
}

// opWatch does what kqueue's EVFILT_PROC is for.
func opWatch(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// opPtrace attaches to a process; it is let go when the child ends.
func opPtrace(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.PtraceAttach(pid); err != nil {
		return err
	}
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		return err
	}
	return unix.PtraceDetach(pid)
}

func opMemory(_ *agent, args []string, _ *Reply) error {
	fd, err := unix.Open("/proc/"+args[0]+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// openPty needs the devpts of the cell's own /dev.
func openPty() (*terminal, error) {
	master, err := unix.Open("/dev/ptmx", ptyFlags, 0)
	if err != nil {
		return nil, err
	}
	t := &terminal{master: master}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		t.name = "/dev/pts/" + strconv.Itoa(n)
		t.slave, err = unix.Open(t.name, ptyFlags, 0)
	}
	if err != nil {
		_ = unix.Close(master)
		return nil, err
	}
	return t, nil
}

// opLeave asks for namespaces: its own, as the host's have no name here.
func opLeave(*agent, []string, *Reply) error {
	fd, err := unix.Open("/proc/self/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Setns(fd, unix.CLONE_NEWPID)
}

// opEnter asks for what another cell is made of.
func opEnter(*agent, []string, *Reply) error { return unix.Unshare(unix.CLONE_NEWPID) }

func opMount(*agent, []string, *Reply) error {
	if err := mount.Tmpfs("/tmp", 0o1777); err != nil {
		return err
	}
	return unix.Unmount("/tmp", unix.MNT_DETACH)
}

// opSysctl writes a setting that it has read.
func opSysctl(*agent, []string, *Reply) error {
	const path = "/proc/sys/kernel/core_uses_pid"
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0)
}

// opAdjtime sets the length of a clock tick to what it is.
func opAdjtime(*agent, []string, *Reply) error {
	var now unix.Timex
	if _, err := unix.Adjtimex(&now); err != nil {
		return err
	}
	const adjTick = 0x4000 // ADJ_TICK
	_, err := unix.Adjtimex(&unix.Timex{Modes: adjTick, Tick: now.Tick})
	return err
}

func opFchroot(*agent, []string, *Reply) error { return unix.ENOSYS }

func opModule(*agent, []string, *Reply) error { return unix.DeleteModule("no_such_module", 0) }

// opReboot gives wrong magic numbers, which are looked at after the
// permission.
func opReboot(*agent, []string, *Reply) error {
	_, _, errno := unix.Syscall6(unix.SYS_REBOOT, 0, 0, 0, 0, 0, 0)
	return errnoOrNil(errno)
}

func opSwap(*agent, []string, *Reply) error {
	p, err := unix.BytePtrFromString(missing)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(p)), 0, 0)
	return errnoOrNil(errno)
}

func opAccount(*agent, []string, *Reply) error { return unix.Acct(missing) }

func opHandle(*agent, []string, *Reply) error {
	_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/tmp", 0)
	return err
}

// opSysV makes a segment of shared memory, attaches it and removes it.
func opSysV(*agent, []string, *Reply) error {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		return err
	}
	b, err := unix.SysvShmAttach(id, 0, 0)
	if err == nil {
		err = unix.SysvShmDetach(b)
	}
	_, removeErr := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	return errors.Join(err, removeErr)
}

// opInterface sets the loopback interface's flags to what they are.
func opInterface(*agent, []string, *Reply) error {
	fd, err := openSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	q, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, q); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, q)
}

// opSTI puts a character into the input of a terminal of its own.
func opSTI(*agent, []string, *Reply) error {
	t, err := openPty()
	if err != nil {
		return err
	}
	defer t.close()
	c := byte('x')
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.slave), unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
	return errnoOrNil(errno)
}

// opIopl asks for the I/O ports, which the child gives back by ending.
func opIopl(*agent, []string, *Reply) error {
	if runtime.GOARCH != "amd64" {
		return unix.ENOSYS
	}
	const sysIopl = 172
	_, _, errno := unix.Syscall(sysIopl, 3, 0, 0)
	return errnoOrNil(errno)
}

func errnoOrNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// MakeNode is mknod(2).
func MakeNode(path string, mode uint32, device uint64) error {
	return unix.Mknod(path, mode, int(device))
}
