package harness

// Asking the host about device nodes.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DeviceNumber is the number of a device node of this host.
func DeviceNumber(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return uint64(st.Rdev), nil
}

// Alive says whether a process exists on this host and has not ended.
func Alive(pid int) bool { return pid > 0 && unix.Kill(pid, 0) == nil }
