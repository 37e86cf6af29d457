package kmod

// Entering, as the module wants it: the child's root directory is the very
// one that the cell was created with.

import (
	"net/netip"
	"path/filepath"
	"slices"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

func attach(string) error { return nil }

// rootSteps change the child's root.
func rootSteps(root int, _ bool) []stage.Step {
	dot, slash := [...]byte{'.', 0}, [...]byte{'/', 0}
	chroot := stage.Sys("change root", unix.SYS_CHROOT, address(&dot[0]))
	chroot.Keep = []any{&dot}
	chdir := stage.Sys("enter root", unix.SYS_CHDIR, address(&slash[0]))
	chdir.Keep = []any{&slash}
	return []stage.Step{stage.Sys("open root", unix.SYS_FCHDIR, uintptr(root)), chroot, chdir}
}

func dupStep(register, to int) stage.Step {
	s := stage.Sys("take a descriptor", unix.SYS_DUP2, uintptr(register), uintptr(to))
	s.From[0] = stage.Reg
	return s
}

// closeAll closes every descriptor but the standard ones: F_CLOSEM.
func closeAll() stage.Step {
	const closeFrom = 10
	s := stage.Sys("close all descriptors", unix.SYS_FCNTL, 3, closeFrom, 0)
	s.Tolerate[0] = unix.EBADF // none is open
	return s
}

// sysExit ends a process with all of its threads.
const sysExit = unix.SYS_EXIT

// deadly signals end a process.
var deadly = []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGHUP}

// otherDevices are nodes that the policy calls raw devices.
func otherDevices() []string {
	list := []string{"/dev/mem", "/dev/kmem", "/dev/ptm", "/dev/ptmx"}
	if disk := rawDisk(); disk != "" {
		list = append(list, disk)
	}
	return list
}

// rawDisk is a disk that the host has a node for and can open.
func rawDisk() string {
	for _, path := range []string{"/dev/rld0d", "/dev/rwd0d", "/dev/rsd0d", "/dev/rmd0d", "/dev/rmd0a"} {
		if fd, err := unix.Open(path, unix.O_RDONLY, 0); err == nil {
			_ = unix.Close(fd)
			return path
		}
	}
	return ""
}

// removeSegments removes the System V segments that a cell could make but not
// remove. Those that it did remove are gone.
func (w *world) removeSegments(ids []int) {
	for _, id := range ids {
		_ = agent.RemoveSegment(id)
	}
}

// withPts gives the cells of this world pseudo-terminals.
func (w *world) withPts() {
	w.mount("ptyfs", filepath.Join(w.root, "dev/pts"), mount.Words(2, 0, 0o620, 0)) // version, gid, mode, flags
}

// withProc lets agents find a /proc. A kernel without procfs ends the case.
func (w *world) withProc() {
	w.mount("procfs", filepath.Join(w.root, "proc"), mount.Words(1, 0)) // version, flags
}

func (w *world) mount(kind, path string, args []byte) {
	err := mount.FS(kind, path, args)
	if err == unix.ENODEV || err == unix.EOPNOTSUPP {
		w.Skipf("this kernel has no %s", kind)
	}
	w.Must("mount "+kind, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mounted = append(w.mounted, path)
}

func unmount(path string) error { return unix.Unmount(path, 0) }

// remains has nothing to look for: cells are in the kernel only.
func remains(string) []string { return nil }

// seenAs gives the host's pid of a member, which is the member's own: a cell
// hides processes and does not renumber them.
func seenAs(members []int, inside int) int {
	if slices.Contains(members, inside) {
		return inside
	}
	return 0
}

// ended says whether a child waits to be reaped: wait6(2) with WNOWAIT.
func ended(pid int) bool {
	const sysWait6, byPid, options = 481, 1, 0x20 | 0x10000 | 1 // P_PID, WEXITED|WNOWAIT|WNOHANG
	var status int32
	got, _, errno := unix.Syscall6(sysWait6, byPid, uintptr(pid), uintptr(unsafe.Pointer(&status)), options, 0, 0)
	return errno == 0 && int(int32(got)) == pid
}

// withAddress gives the loopback interface an IPv4 address until the case is
// over (netintro(4)).
func (w *world) withAddress(a netip.Addr) {
	if bindable(a) {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	w.Must("open socket", err)
	defer func() { _ = unix.Close(fd) }()
	type sockaddrIn struct {
		length, family uint8
		port           uint16
		addr           [4]byte
		_              [8]byte
	}
	in := func(a [4]byte) sockaddrIn {
		return sockaddrIn{length: uint8(unsafe.Sizeof(sockaddrIn{})), family: unix.AF_INET, addr: a}
	}
	var alias struct { // struct in_aliasreq
		name               [16]byte
		addr, dst, netmask sockaddrIn
	}
	copy(alias.name[:], "lo0")
	alias.addr, alias.netmask = in(a.As4()), in([4]byte{255, 255, 255, 255})
	const add = 0x8040691a // SIOCAIFADDR
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), add, uintptr(unsafe.Pointer(&alias))); errno != 0 {
		w.Skipf("lo0 does not take %s: %v", a, errno)
	}
	w.Cleanup(func() { w.removeAddress(a) })
}

func (w *world) removeAddress(a netip.Addr) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.Errorf("clean up: open socket: %v", err)
		return
	}
	defer func() { _ = unix.Close(fd) }()
	var q [144]byte // struct ifreq
	copy(q[:], "lo0")
	q[16], q[17] = 16, unix.AF_INET
	address := a.As4()
	copy(q[20:], address[:])
	const remove = 0x80906919 // SIOCDIFADDR
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), remove, uintptr(unsafe.Pointer(&q))); errno != 0 {
		w.Errorf("clean up: remove %s from lo0: %v", a, errno)
	}
}
