package harness

// A worker's isolation on Linux: a mount namespace of its own, whose mounts
// are shared as they are on a host with systemd, so that a runtime that does
// not make its mounts private is seen to leak them.

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// unshare makes cmd's process start in a new mount namespace.
func unshare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
}

// Isolate makes the mounts of this process, which has a mount namespace of its
// own, apart from the host's, and hides the cgroup2 of a hybrid hierarchy.
func Isolate(hideCgroup2 bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if !hideCgroup2 {
		return nil
	}
	err := unix.Unmount(unified, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // not mounted: not a hybrid hierarchy
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", unified, err)
	}
	// The directory under the mount is the host's: the runtime would make its
	// own in it.
	if err := unix.Mount("hidden", unified, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("cover %s: %w", unified, err)
	}
	return nil
}

// unified is where a hybrid hierarchy has its cgroup2.
const unified = "/sys/fs/cgroup/unified"

// adopt makes orphans of a killed worker children of this process.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
