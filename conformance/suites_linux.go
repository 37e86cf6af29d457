package main

// The suites that only Linux can run: container tools, and faults in system
// calls.

import (
	"errors"

	"github.com/netbsd-cells/runcell/conformance/clients"
	"github.com/netbsd-cells/runcell/conformance/inject"
)

const (
	driverArg = clients.GoRuncArg
	execArg   = inject.ExecArg
)

func drive(args []string) error { return clients.GoRunc(args) }

func underFilter(args []string) error { return inject.Exec(args) }

// loadSuites adds the suites that only Linux has.
func loadSuites() error {
	suites = append(suites, clients.Suite, clients.Nerdctl, inject.Suite)
	return errors.Join(clients.Load(), inject.Load())
}
