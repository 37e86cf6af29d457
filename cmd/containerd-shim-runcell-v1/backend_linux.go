package main

// The kernel interface on Linux: the emulator.

import (
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/emulator"
)

func openBackend(root string) (kmod.Client, error) {
	m, err := emulator.ParseModule("")
	if err != nil {
		return nil, err
	}
	return emulator.OpenAs(root, m)
}
