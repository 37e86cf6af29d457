package main

// The kernel interface on Linux: the emulator.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
)

// openBackend gives the cells of a state root, an absolute path, as a kernel
// module that emulate names; empty: the one that the cells there have.
func openBackend(root, emulate string) (kmod.Client, error) {
	m, err := emulator.ParseModule(emulate)
	if err != nil {
		return nil, fmt.Errorf("--emulate: %w", err)
	}
	return emulator.OpenAs(root, m)
}

// reenter runs this command again, with the same arguments, in a user
// namespace where the caller is root, if the caller is not root: a new one
// (pid 0: create, run) or that of the process pid (exec: the container's
// first process). When done, the caller exits with status.
func reenter(pid int) (status int, done bool, err error) { return emulator.UserNamespace(pid) }
