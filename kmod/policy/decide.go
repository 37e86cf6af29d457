package policy

// The engine: which row a request falls under, and what it says.

import (
	"slices"
	"strings"
)

// Caller says whose credential asks.
type Caller uint8

const (
	InCell   Caller = iota // a member of a cell
	HostUser               // on the host, euid not 0
	HostRoot               // on the host, euid 0: nothing here applies
)

// Party relates a target process, or a port's owner, to the caller.
type Party uint8

const (
	Nobody Party = iota // no target; a port that nobody has reserved
	Own                 // the caller's cell (for host callers: the host)
	Other               // another cell, or the host
)

// Facts are what a listener knows besides the kauth symbols. The zero value is
// a member of a living cell that asks for nothing special.
type Facts struct {
	Caller          Caller
	Gone            bool  // the caller's cell is unknown or being destroyed
	Target          Party // of a process or socket request
	PortOwner       Party // who has reserved the port of a bind
	Privileged      bool  // see IfPrivileged
	SafeDevice      bool  // see IfSafeDevice
	RouteSocket     bool  // PF_ROUTE or PF_OROUTE
	RawSocket       bool  // SOCK_RAW
	InetSocket      bool  // any domain but PF_LOCAL
	ProcessLimit    bool  // see IfProcessLimit
	ForeignAddress  bool  // see IfForeignAddress
	WildcardAddress bool  // see IfWildcardAddress
	TakenPort       bool  // see IfTakenPort
	FPRegs          bool  // see IfFPRegs
	Ioctl           bool  // see IfIoctl
	ListedDevice    bool  // see IfListedDevice
}

// holds tells whether the condition is true of f.
func (c Condition) holds(f Facts) bool {
	switch c {
	case IfAny:
		return true
	case IfOtherCell:
		return f.Target == Other
	case IfPrivileged:
		return f.Privileged
	case IfSafeDevice:
		return f.SafeDevice
	case IfReservedPort:
		return f.PortOwner == Other
	case IfRouteSocket:
		return f.RouteSocket
	case IfRawSocket:
		return f.RawSocket
	case IfInetSocket:
		return f.InetSocket
	case IfProcessLimit:
		return f.ProcessLimit
	case IfForeignAddress:
		return f.ForeignAddress
	case IfWildcardAddress:
		return f.WildcardAddress
	case IfTakenPort:
		return f.TakenPort
	case IfFPRegs:
		return f.FPRegs
	case IfIoctl:
		return f.Ioctl
	case IfListedDevice:
		return f.ListedDevice
	}
	return false
}

// Request is one kauth(9) question, by the kernel's symbols.
type Request struct {
	Scope           Scope
	Action, Request string
	Facts
}

// Find gives the row that a request falls under, nil for an unknown scope.
func Find(r Request) *Row {
	for i := range Table {
		row := &Table[i]
		if row.Scope == r.Scope &&
			row.takes(r.Action) &&
			(row.Request == "" || row.Request == r.Request) &&
			row.When.holds(r.Facts) {
			return row
		}
	}
	return nil
}

// takes tells whether the row is about an action.
func (r *Row) takes(action string) bool {
	if r.Action == "" || r.Action == action {
		return true
	}
	return strings.Contains(r.Action, " ") && slices.Contains(r.Actions(), action)
}

// Actions lists the symbols of Action.
func (r *Row) Actions() []string { return strings.Fields(r.Action) }

// Lookup gives the row of a class, nil if there is none.
func Lookup(c Class) *Row {
	for i := range Table {
		if Table[i].Class == c {
			return &Table[i]
		}
	}
	return nil
}

// Decide answers a request of a cell with profile p and permissions s. The
// permissions alone decide; a profile that does not exist denies.
func Decide(p Profile, s Set, r Request) Verdict {
	if r.Caller == HostRoot {
		return Defer
	}
	row := Find(r)
	if row == nil {
		return onlyCells(r.Caller)
	}
	if row.When.CrossesCells() {
		return Deny
	}
	if r.Caller == HostUser {
		return Defer
	}
	if r.Gone || p > High {
		return Deny
	}
	return row.Verdict(s)
}

// onlyCells denies members of cells what the table does not know.
func onlyCells(c Caller) Verdict {
	if c == InCell {
		return Deny
	}
	return Defer
}

// Verdict is the row's answer to a member of a living cell with permissions s.
func (r *Row) Verdict(s Set) Verdict {
	if r.Opens == Always || s.Has(r.Opens) { // Never is in no set
		return Defer
	}
	return Deny
}

// Example gives a member's request that falls under the row.
func (r *Row) Example() Request {
	q := Request{Scope: r.Scope, Request: r.Request}
	q.Action, _, _ = strings.Cut(r.Action, " ")
	q.Assume(r.When)
	return q
}

// Assume makes the condition true of f.
func (f *Facts) Assume(c Condition) {
	switch c {
	case IfAny:
	case IfOtherCell:
		f.Target = Other
	case IfPrivileged:
		f.Privileged = true
	case IfSafeDevice:
		f.SafeDevice = true
	case IfReservedPort:
		f.PortOwner = Other
	case IfRouteSocket:
		f.RouteSocket = true
	case IfRawSocket:
		f.RawSocket = true
	case IfInetSocket:
		f.InetSocket = true
	case IfProcessLimit:
		f.ProcessLimit = true
	case IfForeignAddress:
		f.ForeignAddress = true
	case IfWildcardAddress:
		f.WildcardAddress = true
	case IfTakenPort:
		f.TakenPort = true
	case IfFPRegs:
		f.FPRegs = true
	case IfIoctl:
		f.Ioctl = true
	case IfListedDevice:
		f.ListedDevice = true
	}
}

// Defaults is the set that a profile stands for; no permission for a profile
// that does not exist.
func Defaults(p Profile) Set {
	var s Set
	for i := range Permissions {
		if p <= Permissions[i].UpTo {
			s = s.With(Permissions[i].Permission)
		}
	}
	return s
}

// Published is what the profile opens on the published module, in these terms:
// besides ours, raw IPv4 sockets and kernel pointers, and (to medium) all use
// of System V objects.
func Published(p Profile) Set {
	s := Defaults(p).With(RawOpen).With(ProcessPointers)
	if p <= Medium {
		s = s.With(SysVIPCOverride)
	}
	return s
}

// Rows gives the classes that a permission opens.
func Rows(p Permission) []*Row {
	var rows []*Row
	for i := range Table {
		if Table[i].Opens == p {
			rows = append(rows, &Table[i])
		}
	}
	return rows
}
