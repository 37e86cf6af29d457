package emulator

// The filter against the policy: the same verdicts, over the whole table.

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// attempt is a system call that stands for one class of the table.
type attempt struct {
	class string
	nr    uint32
	args  []uint32
	errno unix.Errno // 0 = EPERM
}

var attempts = []attempt{
	{class: "system.chroot.chroot", nr: unix.SYS_CHROOT},
	{class: "system.mount.new", nr: unix.SYS_MOUNT},
	{class: "system.mount.new", nr: unix.SYS_FSMOUNT},
	{class: "system.mount.update", nr: unix.SYS_MOUNT_SETATTR},
	{class: "system.mount.unmount", nr: unix.SYS_UMOUNT2},
	{class: "system.module", nr: unix.SYS_FINIT_MODULE},
	{class: "system.module", nr: unix.SYS_DELETE_MODULE},
	{class: "system.mknod", nr: unix.SYS_MKNODAT, args: []uint32{0, 0, unix.S_IFCHR | 0o644}},
	{class: "system.mknod", nr: unix.SYS_MKNODAT, args: []uint32{0, 0, unix.S_IFBLK | 0o644}},
	{class: "vnode.other", nr: unix.SYS_MKNODAT, args: []uint32{0, 0, unix.S_IFIFO | 0o644}},
	{class: "vnode.other", nr: unix.SYS_MKNODAT, args: []uint32{0, 0, 0o644}},
	{class: "system.filehandle", nr: unix.SYS_OPEN_BY_HANDLE_AT},
	{class: "system.reboot", nr: unix.SYS_REBOOT},
	{class: "system.reboot", nr: unix.SYS_KEXEC_LOAD},
	{class: "system.swapctl", nr: unix.SYS_SWAPON},
	{class: "system.accounting", nr: unix.SYS_ACCT},
	{class: "system.time.system", nr: unix.SYS_SETTIMEOFDAY},
	{class: "system.time.system", nr: unix.SYS_CLOCK_SETTIME},
	{class: "system.mqueue", nr: unix.SYS_MQ_OPEN},
	{class: "system.devmapper", nr: unix.SYS_IOCTL, args: []uint32{0, 0xc138fd00}},
	{class: "system.kernaddr", nr: unix.SYS_SYSLOG},
	{class: "system.sysctl.modify", nr: unix.SYS_SETHOSTNAME},
	{class: "system.sysvipc", nr: unix.SYS_SHMGET},
	{class: "system.sysvipc", nr: unix.SYS_SEMOP},
	{class: "system.sysvipc", nr: unix.SYS_MSGRCV},
	{class: "system.fs_quota.manage", nr: unix.SYS_QUOTACTL},
	{class: "network.nfs", nr: unix.SYS_NFSSERVCTL},
	{class: "network.socket.open.route", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}},
	{class: "network.socket.open.raw", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_INET, unix.SOCK_RAW | unix.SOCK_CLOEXEC, 1}},
	{class: "network.socket.rawsock", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_INET6, unix.SOCK_RAW, 1}},
	{class: "network.socket.open.inet", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_NONBLOCK}},
	{class: "network.socket.open.inet", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_INET6, unix.SOCK_DGRAM}},
	{class: "network.socket.open", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_UNIX, unix.SOCK_STREAM}},
	{class: "network.socket.open", nr: unix.SYS_SOCKETPAIR, args: []uint32{unix.AF_UNIX, unix.SOCK_STREAM}},
	{class: "device.other", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_PACKET, unix.SOCK_DGRAM}},
	{class: "device.other", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_INET, sockPacket}},
	{class: "device.bluetooth_send", nr: unix.SYS_SOCKET, args: []uint32{unix.AF_BLUETOOTH, unix.SOCK_SEQPACKET}},
	{class: "device.tty_sti", nr: unix.SYS_IOCTL, args: []uint32{0, unix.TIOCSTI}},
	{class: "device.tty_virtual", nr: unix.SYS_IOCTL, args: []uint32{0, unix.TIOCCONS}},
	{class: "device.rnd_adddata", nr: unix.SYS_IOCTL, args: []uint32{0, unix.RNDADDENTROPY}},
	{class: "device.nvmm_ctl", nr: unix.SYS_IOCTL, args: []uint32{0, 0xae01}},
	{class: "device.tty_open.ordinary", nr: unix.SYS_IOCTL, args: []uint32{0, unix.TIOCGWINSZ}},
	{class: "machdep.ldt_set", nr: sysModifyLDT},
	{class: "machdep.iopl", nr: sysIopl},
	{class: "process.scheduler_setaffinity", nr: unix.SYS_SCHED_SETAFFINITY},
	{class: "process.fork", nr: unix.SYS_CLONE, args: []uint32{uint32(unix.SIGCHLD)}},
	{class: "process.signal", nr: unix.SYS_KILL},
	{class: "process.ptrace", nr: unix.SYS_PTRACE},
	{class: "vnode.change_ownership", nr: unix.SYS_FCHOWNAT},
	{class: "vnode.change_ownership", nr: sysLchown},
	{class: "vnode.other", nr: unix.SYS_OPENAT},
	// What runs after the filter is installed, whatever is closed.
	{class: "generic.issuser", nr: unix.SYS_SETGROUPS},
	{class: "generic.issuser", nr: unix.SYS_SETGID},
	{class: "generic.issuser", nr: unix.SYS_SETUID},
	{class: "generic.issuser", nr: unix.SYS_CAPSET},
	{class: "generic.issuser", nr: unix.SYS_PRCTL},
	{class: "generic.issuser", nr: unix.SYS_CHDIR},
	{class: "generic.issuser", nr: unix.SYS_EXECVE},
	{class: "generic.issuser", nr: unix.SYS_WRITE},
}

func vm(t *testing.T, set policy.Set) *bpf.VM {
	t.Helper()
	v, err := bpf.NewVM(filter(set))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run gives the filter's answer. The interpreter reads big-endian.
func run(t *testing.T, v *bpf.VM, arch, nr uint32, args []uint32) uint32 {
	t.Helper()
	data := make([]byte, 64) // struct seccomp_data
	binary.BigEndian.PutUint32(data[offNr:], nr)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], a)
	}
	n, err := v.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func errnoAnswer(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// sets are the profiles, everything, nothing, and each permission alone and
// missing alone.
func sets() map[string]policy.Set {
	m := map[string]policy.Set{"all": policy.All(), "none": 0}
	for _, p := range policy.Profiles {
		m[p.String()] = policy.Defaults(p)
	}
	for i := range policy.Permissions {
		p := policy.Permissions[i].Permission
		m["only "+p.String()] = policy.Set(0).With(p)
		m["without "+p.String()] = policy.All().Without(p)
	}
	return m
}

func class(t *testing.T, name string) *policy.Row {
	t.Helper()
	i := slices.IndexFunc(policy.Table, func(r policy.Row) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no class %q in the policy", name)
	}
	return &policy.Table[i]
}

// also lists permissions that an attempt needs beside its own on Linux.
func also(a attempt) policy.Set {
	switch {
	case a.nr == unix.SYS_SOCKET && a.args[0] == unix.AF_INET6 && a.args[1]&typeMask == unix.SOCK_RAW,
		a.nr == unix.SYS_SOCKET && a.args[0] == unix.AF_PACKET:
		return 1 << policy.RawOpen
	case a.nr == unix.SYS_SOCKET && a.args[0] == unix.AF_INET && a.args[1] == sockPacket:
		return 1<<policy.RawOpen | 1<<policy.Inet
	}
	return 0
}

func TestFilterAnswersAsThePolicy(t *testing.T) {
	for name, set := range sets() {
		v := vm(t, set)
		for _, a := range attempts {
			if a.nr == noCall {
				continue
			}
			want := uint32(unix.SECCOMP_RET_ALLOW)
			denied := policy.Decide(policy.High, set, class(t, a.class).Example()) == policy.Deny
			if denied || also(a)&^set != 0 {
				want = errnoAnswer(unix.EPERM)
			}
			if got := run(t, v, auditArch, a.nr, a.args); got != want {
				t.Errorf("%s: %s by system call %d%v = %#x; want %#x", name, a.class, a.nr, a.args, got, want)
			}
		}
	}
}

func TestNothingOpensWhatIsLinuxOnly(t *testing.T) {
	v := vm(t, policy.All())
	for _, a := range []attempt{
		{nr: unix.SYS_UNSHARE, args: []uint32{unix.CLONE_NEWUSER}},
		{nr: unix.SYS_UNSHARE, args: []uint32{cloneTime}},
		{nr: unix.SYS_CLONE, args: []uint32{unix.CLONE_NEWNET | uint32(unix.SIGCHLD)}},
		{nr: unix.SYS_CLONE, args: []uint32{unix.CLONE_NEWNS}},
		{nr: unix.SYS_CLONE3, errno: unix.ENOSYS},
		{nr: unix.SYS_IO_URING_SETUP, errno: unix.ENOSYS},
		{nr: unix.SYS_SETNS},
		{nr: unix.SYS_BPF},
		{nr: unix.SYS_PERF_EVENT_OPEN},
		{nr: unix.SYS_KEYCTL},
		{nr: unix.SYS_SOCKET, args: []uint32{unix.AF_VSOCK, unix.SOCK_STREAM}, errno: unix.EAFNOSUPPORT},
		{nr: unix.SYS_SOCKET, args: []uint32{unix.AF_ALG, unix.SOCK_SEQPACKET}, errno: unix.EAFNOSUPPORT},
	} {
		want := errnoAnswer(unix.EPERM)
		if a.errno != 0 {
			want = errnoAnswer(a.errno)
		}
		if got := run(t, v, auditArch, a.nr, a.args); got != want {
			t.Errorf("system call %d%v = %#x; want %#x", a.nr, a.args, got, want)
		}
	}
	if got := run(t, v, auditArch, unix.SYS_UNSHARE, []uint32{unix.CLONE_FS}); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("unshare(CLONE_FS) = %#x; want it allowed", got)
	}
}

func TestOtherArchitecturesAreKilled(t *testing.T) {
	v := vm(t, policy.All())
	for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_RISCV64, 0} {
		if got := run(t, v, arch, unix.SYS_GETPID, nil); got != unix.SECCOMP_RET_KILL_PROCESS {
			t.Errorf("architecture %#x = %#x; want the process killed", arch, got)
		}
	}
	if x32Bit == 0 {
		return
	}
	for _, nr := range []uint32{x32Bit | unix.SYS_GETPID, x32Bit | 520, all32} {
		if got := run(t, v, auditArch, nr, nil); got != errnoAnswer(unix.EPERM) {
			t.Errorf("x32 call %#x = %#x; want EPERM", nr, got)
		}
	}
}

func TestEveryFilterFits(t *testing.T) {
	for name, set := range sets() {
		if n := len(filter(set)); n > unix.BPF_MAXINSNS {
			t.Errorf("%s: %d instructions, the kernel takes %d", name, n, unix.BPF_MAXINSNS)
		}
	}
	t.Logf("filter at profile high: %d instructions", len(filter(policy.Defaults(policy.High))))
}

// others names what keeps the classes closed that no permission opens, by
// their condition and name.
func others(r *policy.Row) string {
	switch {
	case r.When == policy.IfOtherCell && r.Scope == policy.ScopeNetwork:
		return "Linux lists the sockets of the network namespace to everybody"
	case r.When == policy.IfOtherCell:
		return "pid namespace: processes of other cells do not exist"
	case r.When == policy.IfTakenPort:
		return "Linux gives SO_REUSEPORT's ports to one user only, and no waiting socket's port by SO_REUSEADDR"
	case r.When == policy.IfFPRegs:
		return "Linux has no such file"
	case r.Action == "":
		return "Linux has no request that the filter does not know"
	case r.When == policy.IfReservedPort, r.When == policy.IfForeignAddress, r.When == policy.IfWildcardAddress:
		return "eBPF at the cells' cgroups"
	case r.When == policy.IfProcessLimit:
		return "pids.max of the cell's cgroup"
	case r.Name == "system.sysctl.private":
		return "Linux has no private settings"
	}
	return ""
}

// A jump is of 255 instructions at most.
func TestRulesThatAreTooMany(t *testing.T) {
	for n, want := range map[int]bool{math.MaxUint8 - 1: false, math.MaxUint8: true} {
		func() {
			defer func() {
				if got := recover() != nil; got != want {
					t.Errorf("%d rules are refused: %v; want %v", n, got, want)
				}
			}()
			judge(1, make([]call, n))
		}()
	}
}

// What is not emulated is told, with the reason.
func TestEveryGapIsTold(t *testing.T) {
	told := Gaps()
	for _, e := range emulation() {
		if e.gap != "" && !slices.Contains(told, Gap{e.permission, e.gap}) || e.gap == "" && slices.ContainsFunc(told, func(g Gap) bool { return g.Permission == e.permission }) {
			t.Errorf("%v: the gap %q is not told as it is: %v", e.permission, e.gap, told)
		}
	}
}

// A class of the policy that the emulator neither keeps closed nor explains
// is a hole that nobody would see.
func TestEveryClassIsEmulatedOrExplained(t *testing.T) {
	rows := emulation()
	for i, e := range rows {
		if int(e.permission) != i {
			t.Fatalf("row %d is about %v", i, e.permission)
		}
	}
	for _, r := range policy.Table {
		switch r.Opens {
		case policy.Always:
			continue
		case policy.Never:
			if others(&r) == "" {
				t.Errorf("%s: nothing keeps it closed", r.Name)
			}
			continue
		}
		if int(r.Opens) >= len(rows) {
			t.Errorf("%s: permission %v has no row", r.Name, r.Opens)
			continue
		}
		e := rows[r.Opens]
		kept := slices.ContainsFunc(keepers, func(k keeper) bool { return k.by != always && k.by.Has(r.Opens) })
		if !kept && len(e.deny) == 0 && len(e.readonly) == 0 && e.gap == "" {
			t.Errorf("%s: %v is not emulated, and no reason is given", r.Name, r.Opens)
		}
	}
}

func TestEveryCapabilityIsDecided(t *testing.T) {
	for i, k := range keepers {
		if k.capability != uintptr(i) {
			t.Fatalf("row %d is about capability %d", i, k.capability)
		}
	}
	if len(keepers) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d capabilities; want %d", len(keepers), unix.CAP_LAST_CAP+1)
	}
}

func TestNetworkNoneClosesRawSocketsToo(t *testing.T) {
	s := kmod.Spec{Permissions: policy.All(), Network: kmod.NetworkNone}
	for _, p := range []policy.Permission{policy.Inet, policy.RawOpen} {
		if effective(&s).Has(p) {
			t.Errorf("network none leaves %v open", p)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	s := kmod.Spec{Permissions: policy.Defaults(policy.High)}
	for b.Loop() {
		if _, err := seal(&s, true); err != nil {
			b.Fatal(err)
		}
	}
}
