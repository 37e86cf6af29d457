package kmod

// What is tested on NetBSD: the module that is loaded.

import (
	"fmt"
	"runtime"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
	"golang.org/x/sys/unix"
)

// subject names the module by its ABI and the kernel that it runs in.
func subject() (harness.Target, error) {
	client, err := sysctl.Open()
	if err != nil {
		return harness.Target{}, err
	}
	f, err := client.Features()
	if err != nil {
		return harness.Target{}, fmt.Errorf("find the module: %w", err)
	}
	release, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return harness.Target{}, fmt.Errorf("read kern.osrelease: %w", err)
	}
	return harness.Target{
		Name:    "secmodel_cell",
		Version: fmt.Sprintf("ABI %d, NetBSD %s %s", f.ABI, release, runtime.GOARCH),
	}, nil
}
