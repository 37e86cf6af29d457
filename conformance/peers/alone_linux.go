package main

// A place for the tests on Linux: a mount namespace of its own, in which every
// runtime finds control groups that it understands.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
)

// insideVar says that this process is in that namespace.
const insideVar = "PEERS_INSIDE"

// alone starts this program again in a mount namespace of its own, where it
// becomes the parent of whatever the tests leave behind.
func alone() error {
	if os.Getenv(insideVar) != "" {
		if err := harness.Isolate(true); err != nil {
			return err
		}
		return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("start anew: %w", err)
	}
	os.Exit(0)
	return nil
}
