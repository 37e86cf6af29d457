package kmod

// What is judged on Linux: the emulator.

import "github.com/netbsd-cells/runcell/conformance/harness"

// subject is the emulator.
func subject() (harness.Target, error) { return harness.Target{Name: "emulator"}, nil }
