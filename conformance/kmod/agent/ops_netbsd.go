package agent

// Operations as NetBSD spells them.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/conformance/mount"
	"golang.org/x/sys/unix"
)

const (
	routeDomain = unix.AF_ROUTE
	routeProto  = 0
	linkDomain  = unix.AF_LINK
)

func systemOps() map[string]operation {
	ops := map[string]operation{
		"procs": {0, false, opProcs}, "watch": {1, false, opWatch}, "ptrace": {1, true, opPtrace}, "ktrace": {1, true, opKtrace}, "untrace": {1, true, opUntrace},
		"memory": {1, false, opMemory}, "pty": {0, false, opPty}, "leave": {0, false, opLeave}, "enter": {1, false, opEnter},
		"posixspawn": {0, false, opPosixSpawn}, "revoke": {1, true, opRevoke}, "describe": {0, false, opDescribe}, "settings": {0, false, opSettings},
		"terminal": {0, false, opTerminal},
	}
	maps.Copy(ops, hostileOps())
	return ops
}

// opProcs lists the processes of kern.proc2 (sysctl(7)).
func opProcs(_ *agent, _ []string, r *Reply) error {
	const all, size, pid = 0, 680, 116 // of struct kinfo_proc2
	b, err := unix.SysctlRaw("kern.proc2", all, 0, size, 4096)
	if err != nil {
		return err
	}
	for ; len(b) >= size; b = b[size:] {
		r.Pids = append(r.Pids, int(binary.NativeEndian.Uint32(b[pid:])))
	}
	return nil
}

// opWatch asks to be told when a process ends.
func opWatch(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	queue, err := unix.Kqueue()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(queue) }()
	var change [1]unix.Kevent_t
	unix.SetKevent(&change[0], pid, unix.EVFILT_PROC, unix.EV_ADD)
	change[0].Fflags = unix.NOTE_EXIT
	_, err = unix.Kevent(queue, change[:], nil, &unix.Timespec{})
	return err
}

// Requests of ptrace(2).
const ptAttach, ptDetach = 9, 10

func opPtrace(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptAttach, uintptr(pid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptDetach, uintptr(pid), 1, 0, 0, 0)
	return errnoOrNil(errno)
}

// opKtrace asks for the system calls of a process, and opUntrace lets it go.
// The result says little: this call may succeed and trace nothing.
func opKtrace(_ *agent, args []string, _ *Reply) error {
	const file = "/tmp/ktrace"
	fd, err := unix.Open(file, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	return ktrace(file, 0, args[0]) // KTROP_SET
}

func opUntrace(_ *agent, args []string, _ *Reply) error { return ktrace("/tmp/ktrace", 1, args[0]) } // KTROP_CLEAR

func ktrace(file string, op uintptr, process string) error {
	pid, err := strconv.Atoi(process)
	if err != nil {
		return err
	}
	p, err := unix.BytePtrFromString(file)
	if err != nil {
		return err
	}
	const syscalls = 1 << 1 // KTRFAC_SYSCALL
	_, _, errno := unix.Syscall6(unix.SYS_KTRACE, uintptr(unsafe.Pointer(p)), op, syscalls, uintptr(pid), 0, 0)
	return errnoOrNil(errno)
}

// Traced says whether a process's system calls are traced (kern.proc2).
func Traced(pid int) bool {
	const byPid, size, flags = 1, 680, 288 // p_traceflag of struct kinfo_proc2
	b, err := unix.SysctlRaw("kern.proc2", byPid, pid, size, 1)
	return err == nil && len(b) == size && binary.NativeEndian.Uint32(b[flags:]) != 0
}

// opMemory reads from a process's memory file: the kernel asks at the read.
func opMemory(_ *agent, args []string, _ *Reply) error {
	fd, err := unix.Open("/proc/"+args[0]+"/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	// An address of a Go program's text; that it is mapped does not matter.
	_, err = unix.Pread(fd, make([]byte, 4), 0x401000)
	if errors.Is(err, unix.EFAULT) || errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func openPty() (*terminal, error) {
	ptm, err := unix.Open("/dev/ptm", ptyFlags, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(ptm) }()
	const get = 0x48087446 // TIOCPTMGET; x/sys has an older call's
	var pty unix.Ptmget
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ptm), get, uintptr(unsafe.Pointer(&pty))); errno != 0 {
		return nil, errno
	}
	unix.CloseOnExec(int(pty.Cfd))
	_ = unix.Close(int(pty.Sfd))
	t := &terminal{master: int(pty.Cfd), name: unix.ByteSliceToString(pty.Sn[:])}
	if t.slave, err = unix.Open(t.name, ptyFlags, 0); err != nil {
		_ = unix.Close(t.master)
		return nil, fmt.Errorf("open %s: %w", t.name, err)
	}
	return t, nil
}

// opTerminal makes a terminal, keeps it and tells its name.
func opTerminal(a *agent, _ []string, r *Reply) error {
	t, err := openPty()
	if err != nil {
		return err
	}
	a.held = append(a.held, os.NewFile(uintptr(t.master), "master"), os.NewFile(uintptr(t.slave), t.name))
	r.Text = t.name
	return nil
}

// opLeave asks for the host.
func opLeave(*agent, []string, *Reply) error { return node.Enter(0) }

// opEnter asks for a cell by its number.
func opEnter(_ *agent, args []string, _ *Reply) error {
	id, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return err
	}
	return node.Enter(uint32(id))
}

// opPosixSpawn makes a child that waits, without a fork.
func opPosixSpawn(a *agent, _ []string, r *Reply) error {
	path, err := unix.BytePtrFromString(os.Args[0])
	if err != nil {
		return err
	}
	var argv [5]*byte
	for i, s := range []string{os.Args[0], Arg, "once", "nap"} {
		if argv[i], err = unix.BytePtrFromString(s); err != nil {
			return err
		}
	}
	var envp [1]*byte
	var pid int32
	r1, _, errno := unix.Syscall6(unix.SYS_POSIX_SPAWN, uintptr(unsafe.Pointer(&pid)), uintptr(unsafe.Pointer(path)), 0, 0,
		uintptr(unsafe.Pointer(&argv)), uintptr(unsafe.Pointer(&envp)))
	if errno == 0 && r1 != 0 {
		errno = unix.Errno(r1) // it gives the error as its result
	}
	if errno != 0 {
		return errno
	}
	a.kids = append(a.kids, int(pid))
	r.Pids = []int{int(pid)}
	return nil
}

func opMount(*agent, []string, *Reply) error {
	if err := mount.Tmpfs("/tmp", 0o1777); err != nil {
		return err
	}
	return unix.Unmount("/tmp", 0)
}

// opSysctl writes a setting that it has read.
func opSysctl(*agent, []string, *Reply) error {
	const ctlKern, kernMaxFiles = 1, 7
	mib := [...]int32{ctlKern, kernMaxFiles}
	var old int32
	size := unsafe.Sizeof(old)
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), uintptr(len(mib)),
		uintptr(unsafe.Pointer(&old)), uintptr(unsafe.Pointer(&size)), 0, 0)
	if errno != 0 {
		return errno
	}
	_, _, errno = unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), uintptr(len(mib)), 0, 0,
		uintptr(unsafe.Pointer(&old)), size)
	return errnoOrNil(errno)
}

func opAdjtime(*agent, []string, *Reply) error {
	var none, old unix.Timeval
	return unix.Adjtime(&none, &old)
}

func opFchroot(*agent, []string, *Reply) error {
	fd, err := unix.Open("/tmp", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_FCHROOT, uintptr(fd), 0, 0)
	return errnoOrNil(errno)
}

// opModule unloads a module that is not there.
func opModule(*agent, []string, *Reply) error {
	const unload = 1 // MODCTL_UNLOAD
	return pathCall(unix.SYS_MODCTL, unload, "no_such_module", 0)
}

// pathCall is a system call whose second argument is a string.
func pathCall(nr, first uintptr, s string, third uintptr) error {
	p, err := unix.BytePtrFromString(s)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(nr, first, uintptr(unsafe.Pointer(p)), third)
	return errnoOrNil(errno)
}

// opReboot really reboots where it is permitted: nothing is looked at after
// the permission. Only those that must be refused are told to try.
func opReboot(*agent, []string, *Reply) error {
	_, _, errno := unix.Syscall(unix.SYS_REBOOT, 0, 0, 0)
	return errnoOrNil(errno)
}

func opSwap(*agent, []string, *Reply) error {
	const on = 1 // SWAP_ON
	return pathCall(unix.SYS_SWAPCTL, on, missing, 0)
}

func opAccount(*agent, []string, *Reply) error {
	p, err := unix.BytePtrFromString(missing)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_ACCT, uintptr(unsafe.Pointer(p)), 0, 0)
	return errnoOrNil(errno)
}

func opHandle(*agent, []string, *Reply) error {
	p, err := unix.BytePtrFromString("/tmp")
	if err != nil {
		return err
	}
	handle, size := new([256]byte), uintptr(256)
	_, _, errno := unix.Syscall(unix.SYS_GETFH, uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(handle)), uintptr(unsafe.Pointer(&size)))
	return errnoOrNil(errno)
}

// opSysV makes a segment of shared memory, attaches it and removes it. Where
// the cell may not, the segment is left: its number is in r.
func opSysV(_ *agent, _ []string, r *Reply) error {
	const create = 0o1600 // IPC_CREAT, mode 0600
	id, _, errno := unix.Syscall(unix.SYS_SHMGET, 0, 4096, create)
	if errno != 0 {
		return errno
	}
	r.Pids = []int{int(id)}
	at, _, errno := unix.Syscall(unix.SYS_SHMAT, id, 0, 0)
	if errno != 0 {
		return errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_SHMDT, at, 0, 0); errno != 0 {
		return errno
	}
	return RemoveSegment(int(id))
}

// RemoveSegment is shmctl(2) with IPC_RMID.
func RemoveSegment(id int) error {
	_, _, errno := unix.Syscall(unix.SYS_SHMCTL, uintptr(id), 0, 0)
	return errnoOrNil(errno)
}

// ifreq is struct ifreq of netintro(4).
type ifreq struct {
	name  [16]byte
	flags int16
	_     [126]byte
}

// opInterface sets the loopback interface's flags to what they are.
func opInterface(*agent, []string, *Reply) error {
	fd, err := openSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var q ifreq
	copy(q.name[:], "lo0")
	const get, set = 0xc0906911, 0x80906910 // SIOCGIFFLAGS, SIOCSIFFLAGS
	for _, request := range []uintptr{get, set} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&q))); errno != 0 {
			return errno
		}
	}
	return nil
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
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "386" {
		return unix.ENOSYS
	}
	const iopl = 2 // X86_IOPL
	level := int32(3)
	_, _, errno := unix.Syscall(unix.SYS_SYSARCH, iopl, uintptr(unsafe.Pointer(&level)), 0)
	return errnoOrNil(errno)
}

func errnoOrNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// MakeNode is mknod(2). The call in x/sys has no room for a device number of
// 64 bits on machines of 32; after the mode comes a word of padding.
func MakeNode(path string, mode uint32, device uint64) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	at := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_MKNODAT, uintptr(at), uintptr(unsafe.Pointer(p)), uintptr(mode), 0, uintptr(device), uintptr(device>>32))
	return errnoOrNil(errno)
}
