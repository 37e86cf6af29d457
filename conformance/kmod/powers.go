package kmod

// Powers: what root may do on the host, and in a cell only by a permission.
// What comes of it where it is permitted is what comes of it on the host, so
// the host tells first.

import (
	"runtime"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// power is an operation and the permissions that it takes.
type power struct {
	name    string
	class   string // classes of the policy
	does    string
	op      string
	args    []string
	needs   []policy.Permission
	refused []string // how it is refused; nil is EPERM
	pts     bool     // it needs pseudo-terminals
	only    []string // the systems that have it; nil is all
	// never: it must not succeed anywhere, so only refusals are tried.
	never bool
}

func permission(p ...policy.Permission) []policy.Permission { return p }

var powerTable = []power{
	{name: "mount", class: "system.mount.new", does: "mounting a file system", op: "mount", needs: permission(policy.Mount)},
	{name: "unmount", class: "system.mount.unmount", does: "unmounting", op: "unmount", needs: permission(policy.Mount)},
	{name: "chroot", class: "system.chroot.chroot", does: "chroot(2)", op: "chroot", needs: permission(policy.Chroot)},
	{name: "fchroot", class: "system.chroot.fchroot", does: "fchroot(2)", op: "fchroot", needs: permission(policy.Chroot)},
	{name: "mknod", class: "system.mknod", does: "making a device node", op: "mknod", args: []string{"/dev/null"}, needs: permission(policy.Mknod)},
	{
		name: "sysctl", class: "system.sysctl.modify", does: "writing a kernel setting", op: "sysctl", needs: permission(policy.SysctlWrite),
		refused: []string{"EPERM", "EROFS"}, // a file that is read-only, on Linux
	},
	{name: "settime", class: "system.time.system", does: "setting the clock", op: "settime", needs: permission(policy.Time)},
	{name: "adjtime", class: "system.time.adjtime", does: "adjusting the clock", op: "adjtime", needs: permission(policy.Time)},
	{name: "module", class: "system.module", does: "unloading a kernel module", op: "module", needs: permission(policy.Module)},
	{name: "reboot", class: "system.reboot", does: "reboot(2)", op: "reboot", needs: permission(policy.Reboot), never: runtime.GOOS != "linux"},
	{name: "swap", class: "system.swapctl", does: "adding swap space", op: "swap", needs: permission(policy.Swap)},
	{name: "account", class: "system.accounting", does: "process accounting", op: "account", needs: permission(policy.Accounting)},
	{name: "handle", class: "system.filehandle", does: "asking for a file handle", op: "handle", needs: permission(policy.FileHandle)},
	{
		name: "sysv", class: "system.sysvipc.bypass", does: "System V shared memory", op: "sysv", needs: permission(policy.SysVIPC),
		refused: []string{"EPERM", "EACCES"}, // creating, on Linux; attaching, on NetBSD
	},
	{name: "inet", class: "network.socket.open.inet", does: "an internet socket", op: "socket", args: []string{"inet/stream"}, needs: permission(policy.Inet)},
	{name: "raw-ip4", class: "network.socket.open.raw", does: "a raw IPv4 socket", op: "socket", args: []string{"inet/raw"}, needs: permission(policy.RawOpen)},
	{
		name: "raw-ip6", class: "network.socket.rawsock", does: "a raw IPv6 socket", op: "socket", args: []string{"inet6/raw"},
		needs: permission(policy.RawSocket, policy.RawOpen),
	},
	{name: "route", class: "network.socket.open.route", does: "a routing socket", op: "socket", args: []string{"route"}, needs: permission(policy.Route)},
	{
		name: "low-port", class: "network.bind.privport", does: "binding to a port below 1024", op: "bind", args: []string{"tcp", "127.0.0.1:871"},
		needs: permission(policy.BindPrivileged, policy.Inet), refused: []string{"EACCES", "EPERM"},
	},
	{
		name: "interface", class: "network.interface.set", does: "changing a network interface", op: "interface",
		needs: permission(policy.Interface, policy.Inet),
	},
	{name: "chown", class: "vnode.change_ownership", does: "giving a file away", op: "chown", needs: permission(policy.Chown), refused: []string{"EPERM", "EACCES"}},
	{name: "setid", class: "process.setid", does: "taking other ids", op: "setid", needs: permission(policy.SetID)},
	{name: "priority", class: "process.nice.raise", does: "raising a priority", op: "raise", needs: permission(policy.Schedule), refused: []string{"EACCES", "EPERM"}},
	{name: "terminal-input", class: "device.tty_sti", does: "putting input into a terminal", op: "sti", needs: permission(policy.TTYAdmin), refused: []string{"EPERM", "EACCES"}, pts: true},
	{
		name: "revoke", class: "vnode.revoke", does: "taking a file from all who have it open", op: "revoke", args: []string{""},
		needs: permission(policy.TTYAdmin), refused: []string{"EACCES"}, only: netbsd,
	},
	{name: "describe", class: "system.sysctl.desc", does: "describing a kernel setting", op: "describe", needs: permission(policy.SysctlWrite), only: netbsd},
	{
		name: "link-socket", class: "network.socket.open.inet", does: "a socket of any other network", op: "socket", args: []string{"link/dgram"},
		needs: permission(policy.Inet), only: netbsd,
	},
	{name: "io-ports", class: "machdep.iopl", does: "using the I/O ports", op: "iopl", needs: permission(policy.Machdep)},
}

// open says whether a set of permissions opens the power.
func (p *power) open(s policy.Set) bool {
	return !slices.ContainsFunc(p.needs, func(x policy.Permission) bool { return !s.Has(x) })
}

// here says whether this system has the power at all.
func (p *power) here() bool { return p.only == nil || slices.Contains(p.only, runtime.GOOS) }

func (p *power) refusals() []string {
	if p.refused == nil {
		return []string{"EPERM"}
	}
	return p.refused
}

// lacking is how a system says that it has no such thing at all.
var lacking = []string{"ENOSYS", "SIGSYS", "EPROTONOSUPPORT", "EAFNOSUPPORT", "ENODEV", "EOPNOTSUPP"}

// control tells what comes of the power as root on the host. Not ok: this
// host does not let its own root, so nothing can be learned here.
func (w *world) control(host *member, p *power) (result string, ok bool) {
	if p.never {
		return "", true
	}
	result = host.try(p.op, p.args...).Result()
	return result, !slices.Contains(p.refusals(), result) && !slices.Contains(lacking, result)
}

// judge checks the power in a cell that has these permissions.
func (w *world) judge(m *member, p *power, s policy.Set, host, where string) {
	if p.never && p.open(s) {
		return
	}
	r := m.try(p.op, p.args...)
	if p.op == "sysv" {
		w.removeSegments(r.Pids)
	}
	switch {
	case p.open(s) && r.Result() != host:
		w.Errorf("%s, %s = %s (%s); want %s, as on the host", where, p.name, r.Result(), r.Detail, host)
	case !p.open(s) && !slices.Contains(p.refusals(), r.Result()):
		w.Errorf("%s, %s = %s (%s); want %s", where, p.name, r.Result(), r.Detail, strings.Join(p.refusals(), " or "))
	}
}

// withPermissions makes an agent in a cell with just these permissions.
func (w *world) withPermissions(p policy.Profile, s policy.Set) *member {
	spec := w.spec(p)
	spec.Permissions = s
	return w.agent(w.cell(spec), entry{})
}

// powers has a case for each power: at every profile, with its permissions
// opened, and with the first of them closed.
var powers = func() []harness.Case {
	var cases []harness.Case
	for i := range powerTable {
		p := &powerTable[i]
		var names []string
		for _, x := range p.needs {
			names = append(names, x.String())
		}
		cases = append(cases, harness.Case{
			Name: "power/" + p.name, Clause: "class " + p.class, Does: p.does + " takes " + strings.Join(names, " and "), OS: p.only,
			Run: in(func(w *world) { tryPower(w, p) }),
		})
	}
	return cases
}()

func tryPower(w *world, p *power) {
	if p.pts {
		w.withPts()
	}
	w.withProc()
	host := w.onHost(0)
	want, ok := w.control(host, p)
	if !ok {
		w.Skipf("root on this host gets %s", want)
	}
	for _, profile := range policy.Profiles {
		set := policy.Defaults(profile)
		w.judge(w.withPermissions(profile, set), p, set, want, "profile "+profile.String())
	}
	w.needs(permissions)
	opened := policy.Defaults(policy.High)
	for _, x := range p.needs {
		opened = opened.With(x)
	}
	w.judge(w.withPermissions(policy.High, opened), p, opened, want, "opened at high")
	profile := policy.Low
	if p.open(policy.Defaults(policy.High)) {
		profile = policy.High
	}
	closed := policy.Defaults(profile).Without(p.needs[0])
	w.judge(w.withPermissions(profile, closed), p, closed, want, "closed at "+profile.String())
}

// alone are the permissions that are opened one by one at high, and closed
// one by one at low: every other power stays as it was.
var alone = []policy.Permission{
	policy.Chroot, policy.Mount, policy.Mknod, policy.Time, policy.SysctlWrite, policy.Swap, policy.Accounting, policy.FileHandle,
	policy.SysVIPC, policy.RawSocket, policy.RawOpen, policy.Route, policy.Interface, policy.TTYAdmin, policy.Machdep,
}

var permissionsAlone = func() []harness.Case {
	var cases []harness.Case
	for _, p := range alone {
		cases = append(cases, harness.Case{
			Name: "permission/" + p.String() + "-opened", Clause: "policy reference: " + p.String(), Does: "opened alone at high, it changes its own powers only",
			Run: in(func(w *world) { tryAlone(w, policy.High, policy.Defaults(policy.High).With(p)) }),
		}, harness.Case{
			Name: "permission/" + p.String() + "-closed", Clause: "policy reference: " + p.String(), Does: "closed alone at low, it changes its own powers only",
			Run: in(func(w *world) { tryAlone(w, policy.Low, policy.Defaults(policy.Low).Without(p)) }),
		})
	}
	for _, p := range []policy.Permission{policy.Inet, policy.BindPrivileged, policy.SetID, policy.Chown, policy.Schedule} {
		cases = append(cases, harness.Case{
			Name: "permission/" + p.String() + "-closed", Clause: "policy reference: " + p.String(), Does: "closed alone at high, it changes its own powers only",
			Run: in(func(w *world) { tryAlone(w, policy.High, policy.Defaults(policy.High).Without(p)) }),
		})
	}
	return append(cases, closedOnly...)
}()

func tryAlone(w *world, profile policy.Profile, set policy.Set) {
	w.needs(permissions)
	w.withPts()
	w.withProc()
	host, m := w.onHost(0), w.withPermissions(profile, set)
	for i := range powerTable {
		p := &powerTable[i]
		if !p.here() {
			continue
		}
		if want, ok := w.control(host, p); ok {
			w.judge(m, p, set, want, "with "+profile.String())
		}
	}
}

// closedOnly are permissions about members among themselves.
var closedOnly = []harness.Case{
	{
		Name: "permission/kill-closed", Clause: "class process.signal.other_user", Does: "closed, a cell's root signals its own processes only",
		Run: in(func(w *world) {
			w.needs(permissions)
			id := w.cell(w.high(func(s *kmod.Spec) { s.Permissions = s.Permissions.Without(policy.Kill) }))
			root, user := w.agent(id, entry{}), w.agent(id, entry{uid: 1000})
			root.want("EPERM", "kill", decimal(user.pidInside()), "USR1")
			root.must("end", decimal(root.must("fork", "1").Pids[0]))
			open := w.cell(w.high(nil))
			root, user = w.agent(open, entry{}), w.agent(open, entry{uid: 1000})
			user.must("trap", "USR1")
			root.want("ok", "kill", decimal(user.pidInside()), "USR1")
		}),
	},
	{
		Name: "permission/trace-closed", Clause: "class process.ptrace.other_user", Does: "closed, a cell's root debugs its own processes only",
		Run: in(func(w *world) {
			w.needs(permissions)
			id := w.cell(w.high(func(s *kmod.Spec) { s.Permissions = s.Permissions.Without(policy.Trace) }))
			root, user := w.agent(id, entry{}), w.agent(id, entry{uid: 1000})
			root.want("EPERM", "ptrace", decimal(user.pidInside()))
			root.want("ok", "ptrace", decimal(root.must("fork", "1").Pids[0]))
			open := w.cell(w.high(nil))
			root, user = w.agent(open, entry{}), w.agent(open, entry{uid: 1000})
			root.want("ok", "ptrace", decimal(user.pidInside()))
		}),
	},
}
