package emulator

// The table of the emulation: the system calls that stand on Linux for each
// permission of kmod/policy, and are denied while it is closed. Capabilities
// have a table of their own in caps_linux.go.

import (
	"slices"
	"sync"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// noCall is a system call that this architecture lacks.
const noCall = ^uint32(0)

// test is true of a system call whose argument, masked, has a value. The
// arguments tested are all of 32 bits or less: the kernel ignores the rest.
type test struct {
	arg         uint8
	mask, value uint32
	not         bool // true of any other value
}

// call is a set of system calls, narrowed by tests that must all hold.
type call struct {
	nrs   []uint32
	when  []test
	errno unix.Errno // 0 is EPERM, which is what kauth(9) gives
}

// emulated says how one permission is kept closed.
type emulated struct {
	permission policy.Permission
	deny       []call
	// readonly are paths below /proc that a closed permission makes read-only.
	readonly []string
	// gap says what is not emulated, and what happens instead.
	gap string
}

const all32 = ^uint32(0)

// is, masked and not make tests of argument n.
func is(n uint8, v uint32) test           { return test{arg: n, mask: all32, value: v} }
func masked(n uint8, mask, v uint32) test { return test{arg: n, mask: mask, value: v} }
func not(t test) test                     { t.not = true; return t }

// Arguments of socket(2) and ioctl(2).
const (
	argDomain, argType, argProtocol = 0, 1, 2
	typeMask                        = 0xf // without SOCK_CLOEXEC, SOCK_NONBLOCK
	sockPacket                      = 10  // of AF_INET: an old name of AF_PACKET
	argRequest                      = 1
	requestType                     = 0xff00 // the driver's letter in a request
	kvmRequests, dmRequests         = 0xae00, 0xfd00
	shmLock, shmUnlock              = 11, 12 // <sys/shm.h>
)

// emulation has a row for every permission, in their order.
var emulation = sync.OnceValue(func() []emulated {
	return slices.Concat(systemRows(), networkRows(), deviceAndProcessRows())
})

func calls(nrs ...uint32) call  { return call{nrs: nrs} }
func socket(tests ...test) call { return call{nrs: []uint32{unix.SYS_SOCKET}, when: tests} }
func ioctl(request test) call   { return call{nrs: []uint32{unix.SYS_IOCTL}, when: []test{request}} }
func domain(d uint32) test      { return is(argDomain, d) }
func socketType(t uint32) test  { return masked(argType, typeMask, t) }

func systemRows() []emulated {
	return []emulated{
		{permission: policy.Chroot, deny: []call{calls(unix.SYS_CHROOT)}},
		{permission: policy.Mount, deny: []call{calls(
			unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
			unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE_ATTR,
		)}},
		{permission: policy.Module, deny: []call{calls(unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE)}},
		{permission: policy.Mknod, deny: []call{
			{nrs: []uint32{sysMknod}, when: []test{masked(1, unix.S_IFMT, unix.S_IFCHR)}},
			{nrs: []uint32{sysMknod}, when: []test{masked(1, unix.S_IFMT, unix.S_IFBLK)}},
			{nrs: []uint32{unix.SYS_MKNODAT}, when: []test{masked(2, unix.S_IFMT, unix.S_IFCHR)}},
			{nrs: []uint32{unix.SYS_MKNODAT}, when: []test{masked(2, unix.S_IFMT, unix.S_IFBLK)}},
		}},
		{permission: policy.FileHandle, deny: []call{calls(unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT)}},
		{
			permission: policy.Reboot, readonly: []string{"/proc/sysrq-trigger"},
			deny: []call{calls(unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD)},
		},
		{permission: policy.Swap, deny: []call{calls(unix.SYS_SWAPON, unix.SYS_SWAPOFF)}},
		{permission: policy.Accounting, deny: []call{calls(unix.SYS_ACCT)}},
		{
			permission: policy.CPU, readonly: []string{"/proc/irq"},
			gap: "Linux controls CPUs through /sys, which a cell does not have",
		},
		// adjtimex(2) reads the clock's state too; CAP_SYS_TIME guards the rest.
		{permission: policy.Time, deny: []call{calls(unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME)}},
		{
			permission: policy.PosixIPC, deny: []call{calls(unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK)},
			gap: "semaphores are ordinary files in /dev/shm on Linux and stay usable; they are the cell's own",
		},
		{permission: policy.DeviceMapper, deny: []call{ioctl(masked(argRequest, requestType, dmRequests))}},
		{permission: policy.KernelAddress, deny: []call{calls(unix.SYS_SYSLOG)}},
		{
			permission: policy.SysctlWrite, readonly: []string{"/proc/sys"},
			deny: []call{calls(unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, sysSysctl)},
		},
		{permission: policy.SysVIPC, deny: []call{calls(
			unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_SHMDT, unix.SYS_SEMGET, unix.SYS_SEMOP,
			unix.SYS_SEMCTL, unix.SYS_SEMTIMEDOP, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
		)}},
		{permission: policy.SysVIPCOverride}, // CAP_IPC_OWNER
		{permission: policy.SysVIPCLimits, deny: []call{
			{nrs: []uint32{unix.SYS_SHMCTL}, when: []test{is(1, shmLock)}},
			{nrs: []uint32{unix.SYS_SHMCTL}, when: []test{is(1, shmUnlock)}},
		}},
	}
}

func networkRows() []emulated {
	raw := socketType(unix.SOCK_RAW)
	return []emulated{
		{permission: policy.Interface}, // CAP_NET_ADMIN
		{permission: policy.InterfaceRead, gap: "Linux does not guard reading an interface's settings: always possible"},
		{permission: policy.Firewall, gap: "closed by CAP_NET_ADMIN, as interface, route, ipsec and socket-admin are: one of them opens all"},
		{permission: policy.Route, deny: []call{socket(domain(unix.AF_NETLINK), is(argProtocol, unix.NETLINK_ROUTE))}},
		{permission: policy.IPsec, deny: []call{socket(domain(unix.AF_KEY))}},
		{permission: policy.NFS, deny: []call{calls(unix.SYS_NFSSERVCTL)}},
		{permission: policy.SMB, gap: "Linux has no such request besides mount: always closed"},
		{permission: policy.RawSocket, deny: []call{socket(domain(unix.AF_INET6), raw)}},
		{permission: policy.SocketAdmin}, // CAP_NET_ADMIN
		{permission: policy.RawOpen, deny: []call{
			socket(domain(unix.AF_INET), raw), socket(domain(unix.AF_INET6), raw),
			socket(domain(unix.AF_PACKET)), socket(domain(unix.AF_INET), socketType(sockPacket)),
		}},
		{permission: policy.BindPrivileged}, // CAP_NET_BIND_SERVICE
		// Raw ones have a permission of their own.
		{permission: policy.Inet, deny: []call{socket(domain(unix.AF_INET), not(raw)), socket(domain(unix.AF_INET6), not(raw))}},
	}
}

func deviceAndProcessRows() []emulated {
	return []emulated{
		{
			permission: policy.RawDevice, readonly: []string{"/proc/bus"},
			// bpf(4), which stands for packet sockets on NetBSD, is a device.
			deny: []call{socket(domain(unix.AF_PACKET)), socket(domain(unix.AF_INET), socketType(sockPacket))},
			gap:  "no node can be made, but one that the image or the configuration puts into the cell can be opened",
		},
		{permission: policy.TTYAdmin, deny: []call{
			ioctl(is(argRequest, unix.TIOCSTI)), ioctl(is(argRequest, unix.TIOCLINUX)), ioctl(is(argRequest, unix.TIOCCONS)),
			calls(unix.SYS_VHANGUP),
		}},
		{permission: policy.Entropy, deny: []call{
			ioctl(is(argRequest, unix.RNDADDENTROPY)), ioctl(is(argRequest, unix.RNDADDTOENTCNT)),
			ioctl(is(argRequest, unix.RNDZAPENTCNT)), ioctl(is(argRequest, unix.RNDCLEARPOOL)), ioctl(is(argRequest, unix.RNDRESEEDCRNG)),
		}},
		{permission: policy.Bluetooth, deny: []call{socket(domain(unix.AF_BLUETOOTH))}},
		{permission: policy.VMM, deny: []call{ioctl(masked(argRequest, requestType, kvmRequests))}},
		{permission: policy.Machdep, deny: []call{calls(sysIopl, sysIoperm, sysModifyLDT)}},
		{permission: policy.SetID}, // CAP_SETUID, CAP_SETGID
		{permission: policy.Kill},  // CAP_KILL
		{permission: policy.Trace}, // CAP_SYS_PTRACE
		{permission: policy.Schedule, deny: []call{calls(unix.SYS_SCHED_SETAFFINITY)}},
		{permission: policy.Resource}, // CAP_SYS_RESOURCE
		{permission: policy.ProcessPointers, gap: "Linux shows no kernel pointers in its process list: always closed"},
		{permission: policy.SystemFlags}, // CAP_LINUX_IMMUTABLE
		{
			permission: policy.FSAdmin, deny: []call{calls(unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD)},
			gap: "needs CAP_SYS_ADMIN, which opens far more on Linux: closed unless mount is open",
		},
		{permission: policy.Integrity, gap: "Linux has no counterpart but settings below /proc/sys: see sysctl-write"},
		{permission: policy.Debug, gap: "Linux has no counterpart: always closed"},
		{permission: policy.MapZero, gap: "needs CAP_SYS_RAWIO, which opens far more on Linux: closed unless raw-device or machdep is open"},
		// NetBSD refuses an owner's own changes, too.
		{permission: policy.Chown, deny: []call{calls(sysChown, sysLchown, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT)}},
		{permission: policy.KeepSetID}, // CAP_FSETID
	}
}

// Namespaces cannot be made in a cell: NetBSD has none.
const (
	cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	cloneTime = 0x80 // CLONE_NEWTIME, of unshare(2) only
)

// linuxOnly are denied to every cell: NetBSD has nothing like them, and they
// reach around the filter (io_uring), out of the cell or deep into the kernel.
func linuxOnly() []call {
	return []call{
		{nrs: []uint32{
			unix.SYS_SETNS, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY,
			unix.SYS_REQUEST_KEY, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
		}},
		// A filter cannot see into clone3's argument. Libraries take ENOSYS
		// for an old kernel and use clone(2), which it can judge; the same for
		// those who would rather use io_uring.
		{nrs: []uint32{unix.SYS_CLONE3}, errno: unix.ENOSYS},
		{nrs: []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}, errno: unix.ENOSYS},
		{nrs: []uint32{unix.SYS_CLONE, unix.SYS_UNSHARE}, when: []test{not(masked(0, cloneNamespaces, 0))}},
		{nrs: []uint32{unix.SYS_UNSHARE}, when: []test{not(masked(0, cloneTime, 0))}},
		{nrs: []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR}, errno: unix.EAFNOSUPPORT, when: []test{
			// The domains that NetBSD has, or that stand for one of its own.
			not(domain(unix.AF_UNIX)), not(domain(unix.AF_INET)), not(domain(unix.AF_INET6)),
			not(domain(unix.AF_NETLINK)), not(domain(unix.AF_PACKET)), not(domain(unix.AF_KEY)),
			not(domain(unix.AF_BLUETOOTH)),
		}},
	}
}

// Gap is a permission that the emulator does not keep exactly.
type Gap struct {
	Permission policy.Permission
	Reason     string
}

// Gaps lists what is emulated differently or not at all, for the documentation.
func Gaps() []Gap {
	var gaps []Gap
	for _, e := range emulation() {
		if e.gap != "" {
			gaps = append(gaps, Gap{e.permission, e.gap})
		}
	}
	return gaps
}
