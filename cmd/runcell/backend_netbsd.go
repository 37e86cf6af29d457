package main

// The kernel interface on NetBSD: secmodel_cell by way of sysctl.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
)

// openBackend gives the machine's cells: the kernel has no state root, and
// does what its module does.
func openBackend(_, emulate string) (kmod.Client, error) {
	if emulate != "" {
		return nil, fmt.Errorf("--emulate %s: nothing is emulated on NetBSD, the module that is loaded decides; leave the flag out", emulate)
	}
	return sysctl.Open()
}

// reenter does nothing: NetBSD has no user namespaces, and cells are root's.
func reenter(int) (status int, done bool, err error) { return 0, false, nil }
