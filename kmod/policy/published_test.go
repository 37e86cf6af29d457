package policy

// The published module's policy, written down a second time as its own
// decision procedure, so that the table is compared with something that was
// not derived from it.

import (
	"slices"
	"strings"
	"testing"
)

var (
	publishedHostAdmin = []string{
		"MODULE", "MKNOD", "FILEHANDLE", "CHROOT", "REBOOT", "SWAPCTL", "ACCOUNTING", "CPU", "PSET", "TIME",
		"SEMAPHORE", "MQUEUE", "DEVMAPPER", "INTR", "KERNADDR",
	}
	publishedMount   = []string{"NEW", "UNMOUNT", "UPDATE", "UMAP", "DEVICE"}
	publishedSysctl  = []string{"ADD", "DELETE", "MODIFY"}
	publishedSocket  = []string{"RAWSOCK", "SETPRIV", "DROP"}
	publishedProcess = []string{
		"CANSEE", "CORENAME", "KEVENT_FILTER", "KTRACE", "NICE", "PROCFS", "PTRACE", "RLIMIT",
		"SCHEDULER_GETAFFINITY", "SCHEDULER_SETAFFINITY", "SCHEDULER_GETPARAM", "SCHEDULER_SETPARAM",
		"SETID", "SIGNAL", "STOPFLAG",
	}
)

// published answers as the published module does, for a living cell.
func published(p Profile, r Request) Verdict {
	if r.Caller == HostRoot {
		return Defer
	}
	_, action, _ := strings.Cut(strings.TrimPrefix(r.Action, "KAUTH_"), "_")
	request := strings.TrimPrefix(r.Request, "KAUTH_REQ_"+strings.ToUpper(string(r.Scope))+"_"+action+"_")
	inCell, strict := r.Caller == InCell, p != Low
	deny := false
	switch r.Scope {
	case ScopeProcess:
		deny = slices.Contains(publishedProcess, action) && r.Target == Other
	case ScopeSystem:
		deny = inCell && publishedSystem(p, strict, action, request)
	case ScopeNetwork:
		deny = publishedNetwork(inCell && strict, action, request, r)
	case ScopeDevice, ScopeMachdep:
		deny = inCell && strict
	}
	if deny {
		return Deny
	}
	return Defer
}

func publishedSystem(p Profile, strict bool, action, request string) bool {
	switch action {
	case "SYSCTL":
		return request == "PRVT" || strict && slices.Contains(publishedSysctl, request)
	case "MOUNT":
		return strict && slices.Contains(publishedMount, request)
	case "SYSVIPC":
		return p == High
	}
	return strict && slices.Contains(publishedHostAdmin, action)
}

func publishedNetwork(strict bool, action, request string, r Request) bool {
	switch action {
	case "BIND":
		return (request == "PORT" || request == "PRIVPORT") && r.PortOwner == Other
	case "SOCKET":
		return strict && (request == "OPEN" && r.RouteSocket || slices.Contains(publishedSocket, request))
	}
	return strict
}

// combinations of facts that listeners can meet.
func combinations() []Facts {
	var all []Facts
	for _, caller := range []Caller{InCell, HostUser, HostRoot} {
		for _, target := range []Party{Nobody, Own, Other} {
			for _, port := range []Party{Nobody, Own, Other} {
				for bits := range 1 << 5 {
					on := func(n int) bool { return bits&(1<<n) != 0 }
					all = append(all, Facts{
						Caller: caller, Target: target, PortOwner: port, Privileged: on(0), SafeDevice: on(1),
						RouteSocket: on(2), RawSocket: on(3), InetSocket: on(4),
					})
				}
			}
		}
		for _, c := range []Condition{IfProcessLimit, IfForeignAddress, IfWildcardAddress, IfTakenPort, IfFPRegs, IfIoctl, IfListedDevice} {
			f := Facts{Caller: caller}
			f.Assume(c)
			all = append(all, f)
		}
	}
	return all
}

// differs gives the verdict where we deliberately depart from the published
// module, for a living cell.
func differs(p Profile, r Request) (Verdict, bool) {
	switch {
	case r.Caller == HostRoot:
	case r.Action == "KAUTH_NETWORK_BIND" && r.TakenPort,
		r.Target == Other && (r.Request == "KAUTH_REQ_NETWORK_SOCKET_CANSEE" || r.Scope == ScopeProcess && r.Action == ""):
		return Deny, true // towards cells, users of the host too
	case r.Caller != InCell:
	case (r.SafeDevice || r.ListedDevice) && (r.Action == "KAUTH_DEVICE_TTY_OPEN" || strings.HasPrefix(r.Request, "KAUTH_REQ_DEVICE_RAWIO_SPEC_")):
		return Defer, true
	case r.Action == "KAUTH_PROCESS_FORK" && r.ProcessLimit,
		r.Action == "KAUTH_NETWORK_BIND" && (r.ForeignAddress || r.WildcardAddress),
		r.Action == "KAUTH_PROCESS_PROCFS" && r.FPRegs,
		p != Low && differsBelowLow(r), unknown(p, r):
		return Deny, true
	}
	return 0, false
}

// differsBelowLow tells what only medium and high refuse besides.
func differsBelowLow(r Request) bool {
	switch r.Request {
	case "KAUTH_REQ_SYSTEM_SYSCTL_DESC", "KAUTH_REQ_PROCESS_CANSEE_KPTR", "KAUTH_REQ_NETWORK_BIND_ANYADDR":
		return true
	case "KAUTH_REQ_NETWORK_SOCKET_OPEN":
		return r.RawSocket
	case "KAUTH_REQ_SYSTEM_SYSVIPC_BYPASS":
		return r.Privileged
	}
	return r.Action == "KAUTH_VNODE_REVOKE" || strings.HasPrefix(r.Action, "KAUTH_VNODE_READ_DATA") && r.Ioctl
}

// unknown tells what the table does not know, and the published module defers.
func unknown(p Profile, r Request) bool {
	switch r.Action {
	case "":
		return slices.Contains([]Scope{ScopeSystem, ScopeProcess, ScopeVnode, ScopeGeneric}, r.Scope)
	case "KAUTH_SYSTEM_MOUNT", "KAUTH_SYSTEM_SYSCTL", "KAUTH_NETWORK_BIND", "KAUTH_NETWORK_SOCKET":
		return p != Low && !slices.ContainsFunc(Table, func(row Row) bool { return row.Request != "" && row.Request == r.Request })
	}
	return false
}

// Every action and request, with every combination of facts, at every
// profile, by the bitmap the profile stands for.
func TestPublishedMatrix(t *testing.T) {
	type question struct {
		scope           Scope
		action, request string
	}
	asked := map[question]bool{}
	for _, row := range Table {
		for _, a := range append(row.Actions(), "") {
			if a != "" || row.Action == "" {
				asked[question{row.Scope, a, row.Request}] = true
				asked[question{row.Scope, a, "KAUTH_REQ_FROM_THE_FUTURE"}] = true
			}
		}
	}
	facts := combinations()
	checked := 0
	for q := range asked {
		for _, f := range facts {
			r := Request{Scope: q.scope, Action: q.action, Request: q.request, Facts: f}
			for _, p := range Profiles {
				want := published(p, r)
				if ours, ok := differs(p, r); ok {
					want = ours
				}
				if got := Decide(p, Defaults(p), r); got != want {
					t.Fatalf("Decide(%s, defaults, %+v) = %s; the published module says %s", p, r, got, want)
				}
				checked++
			}
		}
	}
	t.Logf("%d decisions compared", checked)
}

// What the published module opens besides is named, so that a plan for it closes
// nothing that it can't.
func TestPublishedOpensMore(t *testing.T) {
	for p, want := range map[Profile]string{
		Low: "", Medium: "sysv-ipc-override,raw-open,process-pointers", High: "raw-open,process-pointers",
	} {
		if got := (Published(p) &^ Defaults(p)).String(); got != want {
			t.Errorf("at %s the published module opens %s more; want %s", p, got, want)
		}
		if Published(p)&Defaults(p) != Defaults(p) {
			t.Errorf("at %s the published module opens less", p)
		}
	}
}

func TestDefaultColumnIsTheBitmap(t *testing.T) {
	for i := range Table {
		row := &Table[i]
		for _, p := range Profiles {
			if got, want := Decide(p, Defaults(p), row.Example()), row.Default.At(p); got != want {
				t.Errorf("%s at %s: the bitmap says %s; the table's column says %s", row.Name, p, got, want)
			}
		}
	}
}

// The other deliberate difference.
func TestGoneCellIsDenied(t *testing.T) {
	for i := range Table {
		r := Table[i].Example()
		r.Gone = true
		if got := Decide(Low, All(), r); got != Deny {
			t.Errorf("%s from a dying cell = %s; want deny", Table[i].Name, got)
		}
	}
	for _, r := range []Request{
		{Scope: "unheard-of"},
		{Scope: ScopeSystem, Action: "KAUTH_SYSTEM_MOUNT", Facts: Facts{Gone: true}},
	} {
		if got := Decide(Low, All(), r); got != Deny {
			t.Errorf("Decide(low, all, %+v) = %s; want deny", r, got)
		}
	}
	if got := Decide(Profile(3), All(), Request{Scope: ScopeGeneric, Action: "KAUTH_GENERIC_ISSUSER"}); got != Deny {
		t.Errorf("a profile that does not exist = %s; want deny", got)
	}
	if got := Defaults(Profile(3)); got != 0 {
		t.Errorf("Defaults of a profile that does not exist = %s; want none", got)
	}
}
