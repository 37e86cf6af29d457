package main

// On NetBSD containerd is there, from sources with a port; no other container
// tool is, and no filter that asks before a system call.

import (
	"errors"

	"github.com/netbsd-cells/runcell/conformance/containerd"
)

const (
	driverArg = "clients"
	execArg   = "inject"
)

func drive([]string) error {
	return errors.New("the sessions of container tools are Linux's: --suite containerd has those of NetBSD")
}

func underFilter([]string) error { return errors.New("system calls can't be made to fail on NetBSD") }

// loadSuites adds the suite that only NetBSD has.
func loadSuites() error {
	suites = append(suites, containerd.Suite)
	return nil
}
