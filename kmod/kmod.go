// Package kmod is the boundary to the kernel's cells. Client is its
// interface: the sysctl client speaks to secmodel_cell on NetBSD, the
// emulator stands in for it on Linux. Nothing above this package knows which.
package kmod

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// ID is a kernel's cell number (cellid_t). 0 is the host.
type ID uint32

// Errors that callers tell apart. Every implementation wraps these.
var (
	ErrNotFound    = errors.New("no such cell")
	ErrExists      = errors.New("cell name in use")
	ErrPortInUse   = errors.New("port is reserved by another cell")
	ErrBusy        = errors.New("cell has processes")
	ErrUnsupported = errors.New("not supported by this kernel interface")
	ErrUnavailable = errors.New("no kernel interface for cells")
)

// Limits of the module's structures, see kmod/wire.
const (
	MaxName      = 63
	MaxRoot      = 255
	MaxPorts     = 32
	MaxAddresses = 32
	MaxDevices   = 32
)

// Unlimited is an rlimit or process limit that is not set.
const Unlimited = ^uint64(0)

// Network says which sockets a cell may open.
type Network string

const (
	NetworkHost      Network = "host"      // the host's stack, shared
	NetworkAddresses Network = "addresses" // bind only to the cell's own addresses
	NetworkNone      Network = "none"      // no inet sockets, AF_UNIX only
)

// Port is a reserved port. The zero Addr means every address, and an empty
// Proto means tcp and udp.
type Port struct {
	Port  uint16     `json:"port"`
	Addr  netip.Addr `json:"addr,omitzero"`
	Proto string     `json:"proto,omitempty"`
}

// Device is a device by this kernel's numbers. A node of it can have any name.
type Device struct {
	Type  string `json:"type"` // "c" or "b"
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// Spec is what a cell is created from.
type Spec struct {
	Name         string         `json:"name"` // [A-Za-z0-9._-], at most MaxName bytes
	Root         string         `json:"root"` // absolute, resolved, at most MaxRoot bytes
	Profile      policy.Profile `json:"profile"`
	Permissions  policy.Set     `json:"permissions"`
	Ports        []Port         `json:"ports,omitempty"`
	Addresses    []netip.Addr   `json:"addresses,omitempty"`
	Devices      []Device       `json:"devices,omitempty"` // open beside the ordinary ones
	Network      Network        `json:"network"`
	MaxProcesses uint64         `json:"maxProcesses,omitempty"` // 0 = unlimited

	// CgroupsPath is where the emulator puts the members, below the mount points
	// of cgroup hierarchies: absolute and clean, or empty. The module has none.
	CgroupsPath string `json:"cgroupsPath,omitempty"`

	// Kept as metadata in the kernel's record; the runtime applies them.
	RlimitNofile uint64 `json:"rlimitNofile"` // Unlimited = not set
	RlimitAS     uint64 `json:"rlimitAS"`
	RlimitCore   uint64 `json:"rlimitCore"`
}

// Reservations are the host's, at most MaxPorts and MaxAddresses.
type Reservations struct {
	Ports     []Port
	Addresses []netip.Addr
}

// Info is a row of List.
type Info struct {
	ID        ID            `json:"id"`
	Name      string        `json:"name"`
	Root      string        `json:"root"`
	Created   time.Duration `json:"created"` // since boot
	Processes uint64        `json:"processes"`
}

// Stats counts what a cell does and what it was denied.
type Stats struct {
	Processes    uint64            `json:"processes"`
	MaxProcesses uint64            `json:"maxProcesses,omitempty"` // 0 = no limit
	Memory       uint64            `json:"memory"`                 // bytes, the sum of Member.Memory
	CPU          CPU               `json:"cpu"`
	Denials      map[string]uint64 `json:"denials,omitempty"` // by kauth scope; nil = they are not counted
	LastDenied   string            `json:"lastDenied,omitempty"`
	Last         Denial            `json:"last,omitzero"`
}

// CPU is processor time of the members, and of those that have ended as far as
// the system still knows. User and System are 0 where only the sum is known.
type CPU struct {
	Total  time.Duration `json:"total"`
	User   time.Duration `json:"user,omitempty"`
	System time.Duration `json:"system,omitempty"`
}

// Denial is the request that was denied last; zero if there was none.
type Denial struct {
	At   time.Duration `json:"at"`            // since boot
	Time time.Time     `json:"time,omitzero"` // the same by the clock as it goes now
	Pid  int           `json:"pid"`
	UID  uint32        `json:"uid"` // the effective one
}

// Member is a process of a cell.
type Member struct {
	Pid     int    `json:"pid"`
	Parent  int    `json:"parent"`
	UID     uint32 `json:"uid"`    // the effective one
	Memory  uint64 `json:"memory"` // bytes resident; what processes share counts for each
	CPU     CPU    `json:"cpu"`    // of it, and of its children that it has waited for
	Command string `json:"command"`
}

// Claims are what a cell, or the host, keeps from others.
type Claims struct {
	Network   Network // empty: not known
	Ports     []Port
	Addresses []netip.Addr
}

// Socket is one of a network on which a member waits: for connections (tcp), or
// for datagrams (udp, also where it is connected).
type Socket struct {
	Proto string         `json:"proto"` // "tcp" or "udp"
	Local netip.AddrPort `json:"local"` // 0.0.0.0 or [::] is every address
	Pid   int            `json:"pid"`   // of those who have it open, the lowest
}

// SortSockets gives each once, in the order of their ports.
func SortSockets(list []Socket) []Socket {
	slices.SortFunc(list, func(a, b Socket) int {
		return cmp.Or(cmp.Compare(a.Local.Port(), b.Local.Port()), cmp.Compare(a.Proto, b.Proto),
			a.Local.Addr().Compare(b.Local.Addr()), cmp.Compare(a.Pid, b.Pid))
	})
	return slices.Compact(list)
}

// Client creates and watches cells.
type Client interface {
	// Features probes the kernel once and keeps the answer.
	Features() (Features, error)
	// Create makes a cell. The root must be mounted already: the kernel pins
	// its vnode. Errors: ErrExists, ErrPortInUse.
	Create(Spec) (ID, error)
	// Destroy removes a cell without members. Errors: ErrBusy, ErrNotFound.
	// It never kills.
	Destroy(ID) error
	// List gives every cell, newest first.
	List() ([]Info, error)
	// Names gives the name of every cell, which costs less than List where more
	// has to be looked for than names.
	Names() (map[ID]string, error)
	// Name gives a cell's name. Errors: ErrNotFound.
	Name(ID) (string, error)
	// Enter tells how a child process becomes a member. The first child to
	// enter is the cell's first process; once it runs, Entered records it.
	// The caller must call Entry.Close after the fork.
	Enter(ID) (Entry, error)
	// Entered records pid as the cell's first process. The kernel module
	// knows it already and does nothing.
	Entered(id ID, pid int) error
	// Processes lists the members' pids as the host sees them, ascending.
	Processes(ID) ([]int, error)
	// Members tells of each process what Processes only numbers. One that ends
	// meanwhile is left out.
	Members(ID) ([]Member, error)
	// Kill signals every member. With SIGKILL it first stops them from
	// forking, and returns when all of them are dying. No member is no error.
	Kill(id ID, sig int) error
	// Pause stops every member, and returns when none of them runs any more.
	// Members that are paused can be killed. Resume lets them go on. A process
	// that enters a paused cell may run; the caller keeps that from happening.
	Pause(ID) error
	Resume(ID) error
	// Stats counts processes, what they use, and denials.
	Stats(ID) (Stats, error)
	// Limit sets how many processes the cell may have; 0 is no limit. A cell
	// that has more already keeps them. ErrUnsupported where it is fixed.
	Limit(id ID, processes uint64) error
	// Reserve sets what the host keeps for itself, in place of what it kept
	// before: ports that no member can bind, and addresses of which no member
	// can bind any port, nor all addresses at once. Errors: ErrPortInUse,
	// ErrUnsupported.
	Reserve(Reservations) error
	// Claims tells what the kernel keeps for a cell; of 0, for the host.
	// ErrUnsupported where the kernel does not tell.
	Claims(ID) (Claims, error)
	// Sockets lists the members' sockets that wait, by protocol and address. What
	// opens or closes meanwhile may be missing.
	Sockets(ID) ([]Socket, error)
	// Wait blocks until the cell's first process has ended and gives its
	// wait(2) status. ErrUnsupported where the kernel does not keep it.
	Wait(context.Context, ID) (status uint32, err error)
}

// Entry is how a forked child becomes a member of a cell. The runtime locks a
// thread, calls Thread on it, forks from it with Fork, and puts Steps, Seal,
// Lower and Birth into the child's program, in this order.
type Entry struct {
	// Thread prepares the calling, locked thread, which is not used for
	// anything else afterwards. On Linux it unshares (the first entry) or
	// joins (a later one) the cell's namespaces but that of pids; the thread
	// then sees the cell's mounts. It does nothing on NetBSD. Never nil.
	Thread func() error
	// Fork says how the child is made (clone flags, cgroup). Zero on NetBSD.
	Fork stage.Fork
	// Steps run in the child when its root is the cell's root and it is still
	// root: on NetBSD the sysctl write that enters the cell.
	Steps []stage.Step
	// Seal runs in the child last before credentials are dropped: the
	// emulator's seccomp filter and capability bounds. Empty on NetBSD.
	Seal []stage.Step
	// Lower runs after the credentials are the process's, in a child that is
	// still root: it gives up the capabilities that were needed for that. A
	// child with another user has none any more. Empty on NetBSD.
	Lower []stage.Step
	// Birth runs in the child after that, when nothing of the host's rights is
	// left: from then on it is in sight of the cell's members (stage.Birth).
	// Empty for the first process, beside which nobody is, and on NetBSD.
	Birth []stage.Step
	// Close releases descriptors held for the entry. Never nil.
	Close func()
}
