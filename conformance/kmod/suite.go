package kmod

// The list of cases.

import (
	"slices"

	"github.com/netbsd-cells/runcell/conformance/harness"
)

// Suite is every case, in the order of a cell's life.
var Suite = &harness.Suite{
	Name: "kmod",
	Cases: elsewhere(slices.Concat(
		create, entries, inheritance, views, signals, traces, binds, ownAddresses, networks,
		powers, permissionsAlone, deviceCases, limits, kills, counters, statuses,
		raws, policies, published, concurrent, escapes, linuxEscapes,
	)),
	Expected: differences,
	Intro:    "Each case names the node of the kernel interface, or the class of the policy reference, whose contract it is.",
	Subject:  subject,
}

// elsewhere says why cases about NetBSD do not apply to another system.
func elsewhere(cases []harness.Case) []harness.Case {
	for i := range cases {
		if c := &cases[i]; len(c.OS) > 0 {
			c.Else = "a node of the module, or a system call, that only NetBSD has"
		}
	}
	return cases
}

// netbsd marks a case about what goes over the wire.
var netbsd = []string{"netbsd"}
