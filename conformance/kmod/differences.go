package kmod

// What is known to differ, and why.

import "github.com/netbsd-cells/runcell/conformance/harness"

// Reasons that several cases share.
const (
	hidden     = "Linux hides the process: a pid namespace has no names for those outside, so the errno is ESRCH"
	sameUser   = "Linux knows no cells: for the host's users the ordinary rules hold"
	zombieless = "a zombie does not count as a process: whoever has to reap it may be slow"
	anyRoot    = "the root directory of a process that enters is not compared with the cell's"
	namespaces = "a cell's namespaces end with its first process: afterwards the cell is not found by who would enter"
	deviceNode = "no node can be made in a cell, but one that the image or the configuration puts there can be opened"
	netAdmin   = "CAP_NET_ADMIN stands for interface, firewall, route, ipsec and socket-admin: one of them opens all"
	legacySTI  = "where dev.tty.legacy_tiocsti is 0, Linux wants CAP_SYS_ADMIN to put input into a terminal" + harness.Sometimes
	threads    = "the pids controller counts threads, and an agent has several" + harness.Sometimes
	twoAtOnce  = "who enters counts twice for a moment: one that is sealed outside of the pid namespace, and one that it clones inside"
)

var differences = harness.Expected{
	"emulator": {
		"destroy/zombie":              zombieless,
		"list/other-user":             "the emulator's state is a file of root's",
		"list/inside":                 "the emulator's state is a file that a cell does not have: the list is empty there",
		"enter/wrong-root":            anyRoot,
		"enter/replaced-root":         anyRoot,
		"enter/killed":                namespaces + " (ENOENT)",
		"enter/killed-empty":          "a kill is not remembered where nobody was killed; cgroup.kill may take the next one",
		"view/host-user":              sameUser,
		"signal/outside-errno":        hidden,
		"signal/host-same-user":       sameUser,
		"trace/host-same-user":        sameUser,
		"bind/host-user":              "the bind hooks are at the cells' control groups: the host's users are not in one",
		"power/interface":             netAdmin,
		"permission/interface-closed": netAdmin,
		"permission/route-opened":     netAdmin,
		"power/terminal-input":        legacySTI,
		"permission/tty-admin-opened": legacySTI,
		"device/disk":                 deviceNode,
		"device/disguised":            deviceNode,
		"limit/exact":                 threads,
		"limit/enter":                 twoAtOnce,
		"status/late":                 "Linux gives the status to the parent, once: a wait that begins after that gets none",
	},
}
