package policy

// The shape of the table: a row, its condition and its default.

// Class is a row's index. It is ABI (the kernel counts denials by it): append
// within a scope's range, never reuse one.
type Class uint16

// Scope is a kauth(9) scope. The cred scope is missing on purpose: it carries
// membership from one credential to the next and decides nothing.
type Scope string

const (
	ScopeSystem  Scope = "system"
	ScopeProcess Scope = "process"
	ScopeNetwork Scope = "network"
	ScopeDevice  Scope = "device"
	ScopeMachdep Scope = "machdep"
	ScopeVnode   Scope = "vnode"
	ScopeGeneric Scope = "generic"
)

// Scopes lists the scopes in the table's order.
var Scopes = [...]Scope{ScopeSystem, ScopeProcess, ScopeNetwork, ScopeDevice, ScopeMachdep, ScopeVnode, ScopeGeneric}

// Kauth is the scope's name in the kernel.
func (s Scope) Kauth() string { return "org.netbsd.kauth." + string(s) }

// Row is one request class.
type Row struct {
	Class Class
	// Name is the class for people and logs: "system.mount.new".
	Name  string
	Scope Scope
	// Action and Request are symbols of <sys/kauth.h>. Action may be several,
	// with spaces between. An empty Request is every request of the action, an
	// empty Action every action of the scope, that no earlier row has taken.
	Action, Request string
	// When narrows the row further.
	When Condition
	// Default is what the published profiles say.
	Default Matrix
	// Opens is the permission that defers the class, Always or Never.
	Opens Permission
	// Meaning says in words what is asked.
	Meaning string
}

// Matrix is a verdict for each profile.
type Matrix uint8

// The four columns that occur: bit n set means deferred at Profile n.
const (
	denied   Matrix = 0
	lowOnly  Matrix = 1 << Low
	toMedium Matrix = 1<<Low | 1<<Medium
	deferred Matrix = 1<<Low | 1<<Medium | 1<<High
)

// At gives the verdict for p.
func (m Matrix) At(p Profile) Verdict {
	if m&(1<<p) != 0 {
		return Defer
	}
	return Deny
}

// Condition makes a row narrower than its request.
type Condition uint8

const (
	// IfAny: every request.
	IfAny Condition = iota
	// IfOtherCell: the target, a process or a socket, belongs to another cell
	// or to the host, or it is a newcomer: a process that has entered this cell
	// and executed nothing since. A newcomer is its own and other newcomers', and
	// SIGKILL reaches it. The condition holds for unprivileged users of the host
	// too, as towards cells.
	IfOtherCell
	// IfPrivileged: the system's own rules would refuse an ordinary user:
	// the target is another user's or set-id, the mode of the object does not
	// grant it, a priority or hard limit would rise.
	IfPrivileged
	// IfSafeDevice: the node is one of OrdinaryDevices.
	IfSafeDevice
	// IfReservedPort: another cell, or the host, has reserved the port. It holds
	// for unprivileged users of the host too, as towards cells.
	IfReservedPort
	// IfRouteSocket: domain PF_ROUTE or PF_OROUTE.
	IfRouteSocket
	// IfRawSocket: type SOCK_RAW (and no routing socket).
	IfRawSocket
	// IfInetSocket: any domain but PF_LOCAL: PF_INET, PF_INET6, PF_BLUETOOTH
	// and so on (and not raw).
	IfInetSocket
	// IfProcessLimit: the cell has as many processes as its policy allows.
	IfProcessLimit
	// IfForeignAddress: the cell has addresses of its own and this is another.
	IfForeignAddress
	// IfWildcardAddress: the cell has addresses of its own and this is 0.0.0.0
	// or ::, which stand for all of the host's.
	IfWildcardAddress
	// IfTakenPort: SO_REUSEADDR or SO_REUSEPORT would let the socket take
	// packets or connections from one of another cell or the host, which waits on
	// the port on an overlapping address. It holds for unprivileged users of the
	// host too, as towards cells.
	IfTakenPort
	// IfFPRegs: the file of procfs with a process's floating point registers.
	IfFPRegs
	// IfIoctl: the system call under way is ioctl(2).
	IfIoctl
	// IfListedDevice: the cell's policy lists the device, by type, major and
	// minor number.
	IfListedDevice
)

// Conditions lists those that narrow a row.
var Conditions = [...]Condition{
	IfOtherCell, IfPrivileged, IfSafeDevice, IfReservedPort, IfRouteSocket, IfRawSocket, IfInetSocket,
	IfProcessLimit, IfForeignAddress, IfWildcardAddress, IfTakenPort, IfFPRegs, IfIoctl, IfListedDevice,
}

var conditionWords = [...]string{
	IfOtherCell:       "target in another cell or on the host",
	IfPrivileged:      "more than an ordinary user may",
	IfSafeDevice:      "ordinary device node",
	IfReservedPort:    "port reserved by another cell or the host",
	IfRouteSocket:     "routing socket",
	IfRawSocket:       "raw socket",
	IfInetSocket:      "socket of a network, not AF_UNIX",
	IfProcessLimit:    "process limit reached",
	IfForeignAddress:  "cell with addresses, and not one of them",
	IfWildcardAddress: "cell with addresses, and 0.0.0.0 or ::",
	IfTakenPort:       "another's socket waits there, and the address is shared",
	IfFPRegs:          "floating point registers",
	IfIoctl:           "from within ioctl(2)",
	IfListedDevice:    "device that the policy lists",
}

// String gives the condition in words, empty for IfAny.
func (c Condition) String() string { return conditionWords[c] }

// CrossesCells tells whether the condition guards one cell against another,
// which concerns unprivileged users of the host as well.
func (c Condition) CrossesCells() bool {
	return c == IfOtherCell || c == IfReservedPort || c == IfTakenPort
}

// OrdinaryDevices are the nodes below /dev that every cell can open. The
// kernel compares type, major and minor number, since null and mem share a
// major. "pts/*" is every pseudo-terminal of a ptyfs, and only there: a node of
// that number elsewhere may be somebody else's. "fd/*" and the three streams are the opener's own descriptors.
var OrdinaryDevices = [...]string{
	"null", "zero", "full", "random", "urandom", "tty", "ptm", "ptmx", "pts/*",
	"stdin", "stdout", "stderr", "fd/*",
}

// Differences are the deliberate departures from the published matrix.
var Differences = [...]string{
	"Ordinary device nodes (null, zero, full, random, urandom, tty, ptm, ptmx, pseudo-terminals and a process's own descriptors below /dev/fd) can be opened at every profile. " +
		"The published module refuses every device node at medium and high, even /dev/null.",
	"Raw sockets (SOCK_RAW) are refused below low. The published module refuses raw IPv6 sockets there, by another request, and lets raw IPv4 sockets through: on the shared network they see other cells' packets.",
	"A process whose cell is unknown or being destroyed is denied every request. The published module defers, so it fails open.",
	"revoke(2) is refused below low. The published module lets a member revoke any file that it owns: root takes /dev/null from every process on the machine, and a shared file from all who have it mapped, read-only mount or not.",
	"A process that has entered a cell and not yet executed a program counts as the host's for everything but SIGKILL: it still has the memory, the program and the open files of what brought it in. The published module lets the cell's root stop it, read its memory and open its program.",
	"Setting the description of a sysctl node is refused below low, as writing to one is. The published module lets root do it.",
	"What the table does not know is denied to members: an action of the system, process or generic scope, a bit of the vnode scope, and (below low) an action of the other scopes and a request about mounts, sysctl nodes, binds or sockets. The published module defers what it does not know in the system, process, generic and vnode scopes.",
	"A bind that SO_REUSEADDR or SO_REUSEPORT would let take packets or connections from a waiting socket of another cell or the host is refused. The published module lets it through.",
	"IP_BINDANY, IPV6_BINDANY, and binds to an address with IPV6_FAITH, with which a cell sends from addresses that are not the host's, are refused below low.",
	"Using a System V object against its mode is refused below low; medium opens what the modes allow. Kernel pointers of processes and files are closed below low.",
	"/proc/PID/fpregs is refused at every profile: reading it of a process that runs panics kernels with DIAGNOSTIC.",
	"ioctl(2) of a member can't use files that it looks up by itself below low: that is how TIOCCONS takes the host's console.",
	"A list of sockets shows a member the internet sockets of its own cell. The published module shows all.",
	"Devices can be listed, each by its number, and are open then at every profile. The published module opens all of them, at low, or none.",
	"A process limit and a cell's own addresses are kept, where the bundle gives them. The published module knows neither.",
}
