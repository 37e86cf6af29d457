package main

// The kernel interface on NetBSD: secmodel_cell by way of sysctl.

import (
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
)

func openBackend(string) (kmod.Client, error) { return sysctl.Open() }
