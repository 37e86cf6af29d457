package kmod

// What is tested on Linux: the emulator.

import (
	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
)

// openClient gives the cells of a state root.
func openClient(root string) (kmod.Client, error) { return emulator.Open(root) }

func subject() (harness.Target, error) { return harness.Target{Name: "emulator"}, nil }
