package node

// The emulator has cells and no nodes.

import (
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
	"golang.org/x/sys/unix"
)

// Open gives the cells of a state root: on Linux the emulator's.
func Open(root string) (kmod.Client, error) { return emulator.Open(root) }

// Do has nothing to call: the emulator has no nodes. The cases that need them
// say OS NetBSD.
func (*Call) Do() Reply { return Failed(unix.ENOSYS) }

// Enter has nothing to call.
func Enter(uint32) error { return unix.ENOSYS }
