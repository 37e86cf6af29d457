package emulator

// Where in the host's cgroups a cell is. It has a directory of its own, or one
// at the path of its Spec, where tools look that count what a container uses:
// then in the v1 hierarchies too that they read. No limit comes with it.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// accounting are the v1 hierarchies by which tools count a container.
var accounting = [...]string{"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/memory", pidsV1, "/sys/fs/cgroup/blkio"}

// counters are the v2 controllers by which they do.
var counters = [...]string{"+cpu", "+memory", "+pids", "+io"}

func isV1(mount string) bool {
	var st unix.Statfs_t
	return unix.Statfs(mount, &st) == nil && st.Type == unix.CGROUP_SUPER_MAGIC
}

// spot is a directory of a cell in a hierarchy.
type spot struct{ mount, dir string }

// spots are the cell's directories in v1 hierarchies.
func (x *cell) spots() []spot {
	var list []spot
	if path := x.Spec.CgroupsPath; path != "" {
		for _, mount := range accounting {
			dir := filepath.Join(mount, path)
			if isV1(mount) && usable(mount) == nil && dir != x.Pids {
				list = append(list, spot{mount, dir})
			}
		}
	}
	if x.Pids != "" {
		list = append(list, spot{pidsV1, x.Pids})
	}
	return list
}

// choose says where the new cell will be, as far as the host lets it: where
// nothing can be made, Features says what is not enforced.
func (c *Client) choose(n *cell) {
	if mount := cgroupV2(); usable(mount) == nil {
		n.Cgroup = c.ownCgroup(mount, n.ID)
		if n.Spec.CgroupsPath != "" {
			n.Cgroup = filepath.Join(mount, n.Spec.CgroupsPath)
		}
	}
	if !c.limits(n) {
		return
	}
	if v2, mount, err := pidsController(); err == nil && !v2 {
		n.Pids = c.pidsCgroup(mount, n)
	}
}

// pidsCgroup is where the limit of a cell is set on v1.
func (c *Client) pidsCgroup(mount string, x *cell) string {
	if x.Spec.CgroupsPath != "" {
		return filepath.Join(mount, x.Spec.CgroupsPath)
	}
	return c.ownCgroup(mount, x.ID)
}

// limits tells whether the new cell has a process limit.
func (c *Client) limits(n *cell) bool {
	return c.decided() == Current && n.Spec.MaxProcesses != 0 && n.Spec.MaxProcesses != kmod.Unlimited
}

// free refuses cgroups that others use: what is done to a cgroup, such as
// SIGKILL, would be done to all that is in it. Whether the path is another
// cell's, or below one's, takePath says.
func (x *cell) free() error {
	for _, s := range append(x.spots(), spot{dir: x.Cgroup}) {
		if errors.Is(directory(s.dir), unix.ENOTDIR) {
			return fmt.Errorf("cgroup %s: it is a file or lies below one: give the container a path of its own: %w", s.dir, unix.ENOTDIR)
		}
		if used(s.dir) {
			return fmt.Errorf("cgroup %s: it has processes or cgroups in it: give each container a path of its own: %w", s.dir, kmod.ErrBusy)
		}
	}
	return nil
}

// used tells whether a cgroup has a process or a cgroup in it, which it has if it
// does not say: of a threaded one's processes it does not.
func used(dir string) bool {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			return true
		}
	}
	var b []byte
	if err == nil {
		b, err = readFile(filepath.Join(dir, "cgroup.procs"))
	}
	return len(b) > 0 || err != nil && !noCgroup(err)
}

// settleIn makes the new cell's cgroups, with what is enforced by them alone.
func (c *Client) settleIn(n *cell) error {
	if n.Cgroup != "" {
		mount := cgroupV2()
		if err := makeCgroup(mount, n.Cgroup); err != nil {
			return err
		}
		if n.Spec.CgroupsPath != "" {
			for _, controller := range counters {
				_ = handDown(mount, n.Cgroup, controller) // a tool that misses it shows less
			}
		}
	}
	for _, s := range n.spots() {
		if err := makeCgroup(s.mount, s.dir); err != nil {
			return err
		}
	}
	if c.decided().withoutDevices(&n.Spec) && deviceHook() == nil {
		if err := closeDevices(n.Cgroup); err != nil {
			return err
		}
	}
	if c.limits(n) {
		return n.limit()
	}
	return nil
}

// removeCgroups begins with the one that a process enters first, and stops
// where one is: a cell that cannot be removed keeps the others.
func (x *cell) removeCgroups() error {
	if err := removeCgroup(x.Cgroup); err != nil {
		return err
	}
	for _, s := range x.spots() {
		if err := removeCgroup(s.dir); err != nil {
			return err
		}
	}
	return nil
}
