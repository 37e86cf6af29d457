// The kernel interface on Linux: the emulator.

package main

import (
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
)

// openBackend gives the cells of a state root, an absolute path.
func openBackend(root string) (kmod.Client, error) { return emulator.Open(root) }

// reenter runs this command again, with the same arguments, in a user
// namespace where the caller is root, if the caller is not root: a new one
// (pid 0: create, run) or that of the process pid (exec: the container's
// first process). When done, the caller exits with status.
func reenter(pid int) (status int, done bool, err error) { return emulator.UserNamespace(pid) }
