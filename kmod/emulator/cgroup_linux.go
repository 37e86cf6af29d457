// A cell's cgroup, where the host has a cgroup v2 mount: it names the cell to
// the eBPF programs and lists its members. No cell depends on it.

package emulator

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
)

// cgroupV2Mounts are the places of the v2 hierarchy: alone, and beside v1.
var cgroupV2Mounts = [...]string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroupV2 gives the v2 hierarchy's mount point, or "".
func cgroupV2() string {
	for _, dir := range cgroupV2Mounts {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}

// cgroupName is the directory of all cells of a state root.
func cgroupName(root string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(root))
	return "runcell." + strconv.FormatUint(h.Sum64(), 16)
}

// makeCgroup makes DIR/<id> and DIR.
func makeCgroup(dir string, id kmod.ID) (string, error) {
	leaf := filepath.Join(dir, strconv.FormatUint(uint64(id), 10))
	err := unix.Mkdir(leaf, 0o755)
	if errors.Is(err, unix.ENOENT) {
		if err = unix.Mkdir(dir, 0o755); err == nil || errors.Is(err, unix.EEXIST) {
			err = unix.Mkdir(leaf, 0o755)
		}
	}
	// One that is there was left by a Create that did not get further.
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return "", fmt.Errorf("make cgroup %s: %w", leaf, err)
	}
	return leaf, nil
}

// removeCgroup removes a cell's cgroup, and its parent when it was the last.
// The kernel takes a moment to let go of the last process.
func removeCgroup(leaf string) error {
	if leaf == "" {
		return nil
	}
	const tries = 50
	for i := range tries {
		err := unix.Rmdir(leaf)
		if err == nil || errors.Is(err, unix.ENOENT) {
			// ENOTEMPTY or EBUSY: other cells use it.
			_ = unix.Rmdir(filepath.Dir(leaf))
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || i == tries-1 {
			return fmt.Errorf("remove cgroup %s: %w", leaf, err)
		}
		time.Sleep(time.Duration(i) * time.Millisecond / 2)
	}
	return nil
}

func (x *cell) removeCgroups() error {
	return errors.Join(removeCgroup(x.Cgroup), removeCgroup(x.Pids))
}

// cgroupProcesses reads the members of a cgroup. Processes that this pid
// namespace does not see are listed as 0 and left out.
func cgroupProcesses(dir string) ([]int, error) {
	b, err := readFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("read cgroup %s: pid %q: %w", dir, f, err)
		}
		if pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
