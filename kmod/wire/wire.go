// Package wire defines what goes over the sysctl nodes of secmodel_cell: the
// published structures and those that this project's module adds. It is the
// one place where they are defined; the module's C header and the reference in
// docs are generated from it.
//
// Every structure has a fixed size, the host's byte order and no hidden
// padding, so that LP64 and ILP32 kernels and programs agree.
package wire

//go:generate go run ./gen ../secmodel_cell/cell_wire.h ../../docs/kernel-abi.md

// Version is what the node "abi" says. It grows with any change that an
// existing client could notice; a published module has no such node. Version 2
// takes the policy of cell 0, and answers list from when it is asked; version 3
// takes a list of devices, and answers Linux programs' tkill and tgkill.
const Version = 3

// DevicesSince is the first version with Policy.Devices, PolicySize2 the size of
// Policy before. Requests of that size are still taken.
const (
	DevicesSince = 3
	PolicySize2  = 1312
)

// Limits of the structures.
const (
	NameMax    = 63  // bytes of a cell's name, without its NUL
	RootMax    = 255 // bytes of a root's path, without its NUL
	PortMax    = 32  // reserved ports of a cell
	AddressMax = 32  // addresses of a cell
	DeviceMax  = 32  // listed devices of a cell
)

// Flags of Create.Flags: the optional fields that are given.
const (
	CreateProfile      = 0x01
	CreatePorts        = 0x02
	CreateRlimitNofile = 0x04
	CreateRlimitAS     = 0x08
	CreateRlimitCore   = 0x10
)

// Create is struct cell_create, as published: the request of node "create",
// and its reply with ID filled in.
type Create struct {
	Flags        uint32            `c:"cc_flags" doc:"CELL_CREATE_*: which optional fields are given"`
	ID           uint32            `c:"cc_id" doc:"reply: the new cell"`
	Profile      uint32            `c:"cc_profile" doc:"CELL_PROFILE_*; high if not given"`
	NPorts       uint16            `c:"cc_nports" doc:"entries used in cc_ports"`
	Ports        [PortMax]uint16   `c:"cc_ports" doc:"reserved on every address, tcp and udp; host byte order"`
	Pad          uint16            `c:"cc_pad" doc:"not looked at"`
	RlimitNofile uint64            `c:"cc_rlimit_nofile" doc:"kept and listed, not enforced"`
	RlimitAS     uint64            `c:"cc_rlimit_as" doc:"kept and listed, not enforced"`
	RlimitCore   uint64            `c:"cc_rlimit_core" doc:"kept and listed, not enforced"`
	Name         [NameMax + 1]byte `c:"cc_name" doc:"letters, digits, '.', '_', '-'; NUL-terminated"`
	Root         [RootMax + 1]byte `c:"cc_root" doc:"absolute path of a directory; NUL-terminated"`
}

// Info is struct cell_info, as published: node "list" gives an array of them,
// the newest cell first.
type Info struct {
	ID           uint32            `c:"ci_id" doc:"the cell"`
	Flags        uint32            `c:"ci_create_flags" doc:"cc_flags of its create"`
	Refs         uint64            `c:"ci_refcount" doc:"processes, ended ones that wait to be reaped included"`
	Name         [NameMax + 1]byte `c:"ci_name" doc:"NUL-terminated"`
	Root         [RootMax + 1]byte `c:"ci_root" doc:"NUL-terminated"`
	Created      uint64            `c:"ci_created_ns" doc:"nanoseconds since boot"`
	Processes    uint64            `c:"ci_proc_current" doc:"processes that have not ended"`
	Memory       uint64            `c:"ci_memory_current" doc:"bytes of address space they map"`
	Ticks1       uint64            `c:"ci_cpu_ticks_1s" doc:"clock ticks of CPU time per second, in the last stretch of a second or more between two lists; the first stretch begins with the cell"`
	Ticks10      uint64            `c:"ci_cpu_ticks_10s" doc:"the same for stretches of ten seconds or more"`
	RlimitNofile uint64            `c:"ci_rlimit_nofile" doc:"cc_rlimit_nofile"`
	RlimitAS     uint64            `c:"ci_rlimit_as" doc:"cc_rlimit_as"`
	RlimitCore   uint64            `c:"ci_rlimit_core" doc:"cc_rlimit_core"`
}

// Address families and protocols of Address and Port. They are the wire's
// own: the systems' numbers for them differ.
const (
	FamilyAny = 0
	FamilyIP4 = 4
	FamilyIP6 = 6

	ProtoAny = 0
	ProtoTCP = 6
	ProtoUDP = 17
)

// Values of Policy.Network.
const (
	NetworkHost      = 0
	NetworkAddresses = 1
	NetworkNone      = 2
)

// Address is struct cell_addr: an address that a cell may bind to.
type Address struct {
	Family   uint8     `c:"ca_family" doc:"CELL_FAMILY_IP4 or _IP6"`
	Reserved [3]uint8  `c:"ca_reserved" doc:"0"`
	Addr     [16]uint8 `c:"ca_addr" doc:"network byte order; IPv4 in the first four bytes, the rest 0; not a wildcard"`
}

// Port is struct cell_port: a port that no other cell, and no unprivileged
// process of the host, can bind. Of the host's own only cells are kept away.
type Port struct {
	Port   uint16    `c:"cp_port" doc:"host byte order, not 0"`
	Proto  uint8     `c:"cp_proto" doc:"CELL_PROTO_*; any: tcp and udp"`
	Family uint8     `c:"cp_family" doc:"CELL_FAMILY_*; any: every address, and cp_addr is 0"`
	Addr   [16]uint8 `c:"cp_addr" doc:"as ca_addr"`
}

// Types of Device.
const (
	DeviceCharacter = 1
	DeviceBlock     = 2
)

// Device is struct cell_device: a device whose nodes a cell can open, whatever
// their names are.
type Device struct {
	Type     uint8    `c:"cd_type" doc:"CELL_DEVICE_*"`
	Reserved [3]uint8 `c:"cd_reserved" doc:"0"`
	Major    uint32   `c:"cd_major" doc:"the driver, by this kernel's number"`
	Minor    uint32   `c:"cd_minor" doc:"the driver's own number"`
}

// Policy is struct cell_policy: the request of node "policy". Until it is
// written a cell has its profile's permissions, its create's ports, the host's
// network and no limit. Writing replaces all of them. The policy of cell 0 is
// what the host reserves for itself: ports, and addresses, of which no member
// can bind any port.
type Policy struct {
	ID           uint32              `c:"cp_id" doc:"the cell; 0: the host"`
	Network      uint32              `c:"cp_network" doc:"CELL_NETWORK_*: addresses binds to cp_addresses only (the host: members do not), none opens no socket but local ones"`
	Permissions  uint64              `c:"cp_permissions" doc:"bit n opens permission n (see the policy reference); the host: 0"`
	MaxProcesses uint64              `c:"cp_maxprocs" doc:"processes at most; 0: no limit; the host: 0"`
	NAddresses   uint16              `c:"cp_naddresses" doc:"entries used in cp_addresses; 0 unless cp_network is addresses, then at least 1"`
	NPorts       uint16              `c:"cp_nports" doc:"entries used in cp_ports"`
	NDevices     uint16              `c:"cp_ndevices" doc:"entries used in cp_devices; the host: 0"`
	Reserved     uint16              `c:"cp_reserved" doc:"0"`
	Addresses    [AddressMax]Address `c:"cp_addresses" doc:"unused entries are 0"`
	Ports        [PortMax]Port       `c:"cp_ports" doc:"unused entries are 0"`
	Devices      [DeviceMax]Device   `c:"cp_devices" doc:"open at every profile, beside the ordinary ones; unused entries are 0"`
}

// Kill is struct cell_kill: the request of node "kill".
type Kill struct {
	ID     uint32 `c:"ck_id" doc:"the cell"`
	Signal int32  `c:"ck_signal" doc:"1 to 63; SIGKILL first stops the cell from forking, for good"`
}

// Scopes of Stats.Denials, by index.
const (
	ScopeSystem  = 0
	ScopeProcess = 1
	ScopeNetwork = 2
	ScopeDevice  = 3
	ScopeMachdep = 4
	ScopeVnode   = 5
	ScopeGeneric = 6
	ScopeMax     = 8
)

// Flags of Stats.Flags.
const (
	StatsEntered = 0x1 // a process has entered: policy is final
	StatsDying   = 0x2 // killed: nothing is permitted any more
)

// Stats is struct cell_stats: the reply of node "stats". The counts are exact.
type Stats struct {
	ID           uint32           `c:"cs_id" doc:"the cell"`
	Flags        uint32           `c:"cs_flags" doc:"CELL_STATS_*"`
	Processes    uint64           `c:"cs_procs" doc:"processes that have not ended"`
	MaxProcesses uint64           `c:"cs_maxprocs" doc:"as in struct cell_policy"`
	Denials      [ScopeMax]uint64 `c:"cs_denials" doc:"requests denied, by CELL_SCOPE_*"`
	LastTime     uint64           `c:"cs_last_ns" doc:"last denial: nanoseconds since boot; 0: none yet"`
	LastClass    uint32           `c:"cs_last_class" doc:"last denial: its class in the policy reference, which is the reason"`
	LastPid      int32            `c:"cs_last_pid" doc:"last denial: who asked"`
	LastUID      uint32           `c:"cs_last_uid" doc:"last denial: the effective user id"`
	Reserved     uint32           `c:"cs_reserved" doc:"0"`
}

// States of Status.State.
const (
	StateEmpty   = 0 // nobody has entered
	StateRunning = 1
	StateEnded   = 2
)

// Status is struct cell_status: the reply of node "status", about the first
// process that entered the cell. It is kept until the cell is destroyed.
type Status struct {
	ID     uint32 `c:"ct_id" doc:"the cell"`
	State  uint32 `c:"ct_state" doc:"CELL_STATE_*"`
	Pid    int32  `c:"ct_pid" doc:"its process id; 0 while nobody has entered"`
	Status uint32 `c:"ct_status" doc:"ended: the status that wait(2) gives"`
}
