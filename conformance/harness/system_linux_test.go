package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// leaveOnSystem leaves what only Linux has.
func leaveOnSystem(args []string) int {
	switch args[0] {
	case "leave-mount":
		return status(unix.Mount("tmpfs", args[1], "tmpfs", 0, ""))
	case "leave-cgroup":
		parent, err := cgroupParent()
		if err != nil {
			return status(err)
		}
		return status(os.Mkdir(filepath.Join(parent, args[1]), 0o755))
	}
	return 2
}

// cgroupParent finds a hierarchy of either version that takes directories.
func cgroupParent() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("find a cgroup hierarchy: none below /sys/fs/cgroup")
}

// checkGone checks that the host has none of what the fake runtime left.
func checkGone(t *testing.T, r Result) {
	t.Helper()
	for _, leak := range r.Leaks {
		switch kind, _, _ := strings.Cut(leak, ":"); kind {
		case "mount":
			b, err := os.ReadFile("/proc/self/mountinfo")
			if err != nil || strings.Contains(string(b), "/cf") && strings.Contains(string(b), "/mnt tmpfs") {
				t.Errorf("a mount reached the host: %v", err)
			}
		case "process":
			if left := processes(); len(left) > 0 {
				t.Errorf("processes left on the host: %v", left)
			}
		case "cgroup":
			parent, err := cgroupParent()
			if err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(parent, "cf*-1")); len(left) > 0 {
				t.Errorf("cgroups left on the host: %q", left)
			}
		}
	}
}
