package policy

// The permissions: what each one opens in words for an admin, the profiles
// that start with it, and the Linux capabilities that stand for it.

// The permissions' bits. Numbers are ABI: append, never reuse one.
const (
	Chroot          Permission = 0
	Mount           Permission = 1
	Module          Permission = 2
	Mknod           Permission = 3
	FileHandle      Permission = 4
	Reboot          Permission = 5
	Swap            Permission = 6
	Accounting      Permission = 7
	CPU             Permission = 8
	Time            Permission = 9
	PosixIPC        Permission = 10
	DeviceMapper    Permission = 11
	KernelAddress   Permission = 12
	SysctlWrite     Permission = 13
	SysVIPC         Permission = 14
	SysVIPCOverride Permission = 15
	SysVIPCLimits   Permission = 16
	Interface       Permission = 17
	InterfaceRead   Permission = 18
	Firewall        Permission = 19
	Route           Permission = 20
	IPsec           Permission = 21
	NFS             Permission = 22
	SMB             Permission = 23
	RawSocket       Permission = 24
	SocketAdmin     Permission = 25
	RawOpen         Permission = 26
	BindPrivileged  Permission = 27
	Inet            Permission = 28
	RawDevice       Permission = 29
	TTYAdmin        Permission = 30
	Entropy         Permission = 31
	Bluetooth       Permission = 32
	VMM             Permission = 33
	Machdep         Permission = 34
	SetID           Permission = 35
	Kill            Permission = 36
	Trace           Permission = 37
	Schedule        Permission = 38
	Resource        Permission = 39
	ProcessPointers Permission = 40
	SystemFlags     Permission = 41
	FSAdmin         Permission = 42
	Integrity       Permission = 43
	Debug           Permission = 44
	MapZero         Permission = 45
	Chown           Permission = 46
	KeepSetID       Permission = 47
)

// Internet are the permissions that network none closes: sockets of networks,
// and the routing table.
const Internet = Set(1<<Inet | 1<<RawOpen | 1<<RawSocket | 1<<Route)

const (
	// Always marks a class that no permission closes: it is left to the rest
	// of the system for every living cell.
	Always Permission = 254
	// Never marks a class that no permission opens.
	Never Permission = 255
)

// PermissionInfo describes a permission.
type PermissionInfo struct {
	Permission Permission
	// Name is what configurations and explanations use: "raw-device".
	Name string
	// Opens completes the sentence "a cell with this permission may ...".
	Opens string
	// UpTo is the strictest profile that starts with it.
	UpTo Profile
	// Explicit: a Linux capability alone does not open it, because here it
	// would reach further than it does in a Linux container, or because tools
	// hand that capability to everyone.
	Explicit bool
	// Capabilities are the Linux capabilities, without CAP_, any of which
	// stands for it. With none, capabilities do not touch it.
	Capabilities []string
}

// Permissions describes every permission, in bit order.
var Permissions = [...]PermissionInfo{
	{
		Permission: Chroot, Name: "chroot", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_CHROOT"},
		Opens: "call chroot(2). Cell root can then leave the cell's root directory: a " +
			"second chroot plus an open directory descriptor is enough.",
	},
	{
		Permission: Mount, Name: "mount", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "mount, remount and unmount file systems, the host's among them.",
	},
	{
		Permission: Module, Name: "module", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_MODULE"},
		Opens: "load and unload kernel modules: full control of the host. Without it, nothing is loaded for a " +
			"member that a system call, a protocol or a program needs: load it beforehand.",
	},
	{
		Permission: Mknod, Name: "mknod", UpTo: Low, Explicit: true,
		Capabilities: []string{"MKNOD"},
		Opens:        "make device nodes. Opening one is a separate permission (raw-device).",
	},
	{
		Permission: FileHandle, Name: "file-handle", UpTo: Low, Explicit: true,
		Capabilities: []string{"DAC_READ_SEARCH"},
		Opens: "open files by handle (fhopen), which reaches files outside the cell's " +
			"root.",
	},
	{
		Permission: Reboot, Name: "reboot", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_BOOT"},
		Opens:        "halt or reboot the host.",
	},
	{
		Permission: Swap, Name: "swap", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "add and remove swap space of the host.",
	},
	{
		Permission: Accounting, Name: "accounting", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_PACCT"},
		Opens:        "switch the host's process accounting on and off.",
	},
	{
		Permission: CPU, Name: "cpu", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_NICE"},
		Opens: "take CPUs offline, change processor sets and interrupt routing of the " +
			"host.",
	},
	{
		Permission: Time, Name: "time", UpTo: Low,
		Capabilities: []string{"SYS_TIME"},
		Opens:        "set the host's clock. Every cell shares it.",
	},
	{
		Permission: PosixIPC, Name: "posix-ipc", UpTo: Low, Explicit: true,
		Opens: "use POSIX semaphores, and remove message queues. Their names are shared " +
			"with the host and all cells. Nobody is asked when a queue is opened: that " +
			"its owner and mode decide, also where this is closed.",
	},
	{
		Permission: DeviceMapper, Name: "device-mapper", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "configure device-mapper volumes of the host.",
	},
	{
		Permission: KernelAddress, Name: "kernel-address", UpTo: Low,
		Capabilities: []string{"SYSLOG"},
		Opens:        "learn kernel addresses, which helps to exploit kernel bugs.",
	},
	{
		Permission: SysctlWrite, Name: "sysctl-write", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "change, add, delete and describe the kernel's sysctl settings.",
	},
	{
		Permission: SysVIPC, Name: "sysv-ipc", UpTo: Medium, Explicit: true,
		Opens: "use System V shared memory, semaphores and queues as their modes " +
			"allow. Their keys are shared with the host and all cells, and so are user ids: root's objects " +
			"on the host are those of root in the cell.",
	},
	{
		Permission: SysVIPCOverride, Name: "sysv-ipc-override", UpTo: Low, Explicit: true,
		Capabilities: []string{"IPC_OWNER"},
		Opens:        "use System V objects against their mode, as a superuser does: those of every user of the host.",
	},
	{
		Permission: SysVIPCLimits, Name: "sysv-ipc-limits", UpTo: Medium, Explicit: true,
		Capabilities: []string{"IPC_LOCK", "SYS_RESOURCE"},
		Opens:        "lock System V shared memory and raise a queue's size above the limit.",
	},
	{
		Permission: Interface, Name: "interface", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens: "configure network interfaces and tunnels, set privileged IPv6 options, " +
			"and whatever other network request has no row of its own.",
	},
	{
		Permission: InterfaceRead, Name: "interface-read", UpTo: Low,
		Opens: "ask interfaces for what the kernel checks before it answers. No kernel so far asks: " +
			"what ifconfig reads is open to everybody.",
	},
	{
		Permission: Firewall, Name: "firewall", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens: "change the host's packet filter, address translation and traffic " +
			"shaping.",
	},
	{
		Permission: Route, Name: "route", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens:        "change the routing table and open routing sockets.",
	},
	{
		Permission: IPsec, Name: "ipsec", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens:        "bypass the host's IPsec policy.",
	},
	{
		Permission: NFS, Name: "nfs", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "export file systems and run the kernel's NFS server.",
	},
	{
		Permission: SMB, Name: "smb", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "use the kernel's SMB client connections.",
	},
	{
		Permission: RawSocket, Name: "raw-socket", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_RAW"},
		Opens:        "attach raw sockets where the kernel asks a second time (IPv6).",
	},
	{
		Permission: SocketAdmin, Name: "socket-admin", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens: "drop other programs' connections, set privileged socket options, and bind to addresses " +
			"that are not the host's (IP_BINDANY, IPV6_FAITH), so that datagrams carry any source.",
	},
	{
		Permission: RawOpen, Name: "raw-open", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_RAW"},
		Opens: "open sockets of type SOCK_RAW, as ping needs. On the shared network " +
			"stack they see other cells' and the host's packets.",
	},
	{
		Permission: BindPrivileged, Name: "bind-privileged", UpTo: High,
		Capabilities: []string{"NET_BIND_SERVICE"},
		Opens:        "bind to ports below 1024.",
	},
	{
		Permission: Inet, Name: "inet", UpTo: High,
		Opens: "open sockets of any network, IPv4 and IPv6 first of all; only AF_UNIX is " +
			"open without. Closed by network none.",
	},
	{
		Permission: RawDevice, Name: "raw-device", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_RAWIO"},
		Opens: "open device nodes other than the ordinary ones and those that the policy lists: " +
			"disks, memory, packet filters; send commands straight to devices.",
	},
	{
		Permission: TTYAdmin, Name: "tty-admin", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_TTY_CONFIG"},
		Opens: "insert input into terminals, take the host's console (TIOCCONS) and everything " +
			"else that ioctl(2) does to a file that it looks up by name, set privileged line options, " +
			"open terminals that are not the cell's, revoke(2) files and devices (/dev/null, for instance) " +
			"from everybody on the host.",
	},
	{
		Permission: Entropy, Name: "entropy", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "feed and configure the host's random number generator.",
	},
	{
		Permission: Bluetooth, Name: "bluetooth", UpTo: Low, Explicit: true,
		Capabilities: []string{"NET_ADMIN"},
		Opens:        "configure and use Bluetooth controllers directly.",
	},
	{
		Permission: VMM, Name: "vmm", UpTo: Low, Explicit: true,
		Opens: "control the NVMM hypervisor.",
	},
	{
		Permission: Machdep, Name: "machdep", UpTo: Low, Explicit: true,
		Capabilities: []string{"SYS_RAWIO"},
		Opens: "machine-dependent privileges: I/O ports, memory ranges, descriptor " +
			"tables, microcode.",
	},
	{
		Permission: SetID, Name: "setid", UpTo: High,
		Capabilities: []string{"SETUID", "SETGID"},
		Opens: "change user and group ids without owning them. kauth(9) has one " +
			"request for both.",
	},
	{
		Permission: Kill, Name: "kill", UpTo: High,
		Capabilities: []string{"KILL"},
		Opens:        "signal processes of other users in the same cell. A newcomer gets SIGKILL only.",
	},
	{
		Permission: Trace, Name: "trace", UpTo: High,
		Capabilities: []string{"SYS_PTRACE"},
		Opens:        "trace, debug and inspect processes of other users in the same cell.",
	},
	{
		Permission: Schedule, Name: "schedule", UpTo: High,
		Capabilities: []string{"SYS_NICE"},
		Opens:        "raise priorities and set CPU affinity, within the cell.",
	},
	{
		Permission: Resource, Name: "resource", UpTo: High,
		Capabilities: []string{"SYS_RESOURCE"},
		Opens:        "raise hard resource limits, exceed quotas and use reserved disk space.",
	},
	{
		Permission: ProcessPointers, Name: "process-pointers", UpTo: Low,
		Capabilities: []string{"SYSLOG"},
		Opens:        "see kernel pointers of processes, threads and open files.",
	},
	{
		Permission: SystemFlags, Name: "system-flags", UpTo: High,
		Capabilities: []string{"LINUX_IMMUTABLE"},
		Opens:        "set and clear system file flags (schg, sappnd).",
	},
	{
		Permission: FSAdmin, Name: "fs-admin", UpTo: High,
		Capabilities: []string{"SYS_ADMIN"},
		Opens: "manage quotas, system extended attributes, snapshots and log-" +
			"structured file systems.",
	},
	{
		Permission: Integrity, Name: "integrity", UpTo: High,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "configure veriexec, and (with sysctl-write) core dumps of set-id programs; name other users' core files.",
	},
	{
		Permission: Debug, Name: "debug", UpTo: High,
		Capabilities: []string{"SYS_ADMIN"},
		Opens:        "use the kernel's debugging entry points. No kernel so far asks: it is for those that will.",
	},
	{
		Permission: MapZero, Name: "map-zero", UpTo: High,
		Capabilities: []string{"SYS_RAWIO"},
		Opens: "switch for the whole machine whether programs may map memory at address 0 " +
			"(vm.user_va0_disable). Writing to a setting needs sysctl-write as well.",
	},
	{
		Permission: Chown, Name: "chown", UpTo: High,
		Capabilities: []string{"CHOWN"},
		Opens: "change the owner or group of files. When closed, also changes that an " +
			"owner may otherwise make are refused.",
	},
	{
		Permission: KeepSetID, Name: "keep-set-id", UpTo: High,
		Capabilities: []string{"FSETID"},
		Opens:        "keep set-user-id and set-group-id bits of a file that is written to.",
	},
}
