package main

// The suites that only Linux can run: container tools.

import "github.com/netbsd-cells/runcell/conformance/clients"

const driverArg = clients.GoRuncArg

func drive(args []string) error { return clients.GoRunc(args) }

// loadSuites adds the suites that only Linux has: the container tools do not
// run elsewhere.
func loadSuites() error {
	suites = append(suites, clients.Suite)
	return clients.Load()
}
