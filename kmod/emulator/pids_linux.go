// The process limit: the pids controller of either cgroup version. The
// process enters a v2 cgroup by its birth, a v1 cgroup by a step.

package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// pidsV1 is the controller's place in the v1 hierarchy.
const pidsV1 = "/sys/fs/cgroup/pids"

// pidsController tells where a process limit can be set.
func pidsController() (v2 bool, mount string, err error) {
	if mount := cgroupV2(); mount != "" {
		if lists(mount, "cgroup.controllers", "pids") {
			return true, mount, delegable(mount)
		}
	}
	var st unix.Statfs_t
	if unix.Statfs(pidsV1, &st) == nil && st.Type == unix.CGROUP_SUPER_MAGIC {
		return false, pidsV1, usable(pidsV1)
	}
	return false, "", errors.New("no cgroup hierarchy has the pids controller")
}

// lists tells whether a word is in a cgroup's file.
func lists(dir, file, word string) bool {
	b, err := readFile(filepath.Join(dir, file))
	return err == nil && slices.Contains(strings.Fields(string(b)), word)
}

// delegable tells whether the pids controller works below the mount, or can
// be made to. Only the machine's own root cgroup, which alone has no
// cgroup.type, may hold processes and hand controllers down (cgroups(7)).
func delegable(mount string) error {
	if err := usable(mount); err != nil || lists(mount, "cgroup.subtree_control", "pids") {
		return err
	}
	if _, err := os.Stat(filepath.Join(mount, "cgroup.type")); err != nil {
		return nil //nolint:nilerr // it is missing at the root
	}
	if pids, err := cgroupProcesses(mount); err != nil || len(pids) > 0 {
		return fmt.Errorf("%s is a cgroup with processes and does not hand down the pids controller", mount)
	}
	return nil
}

// usable tells whether cgroups can be made below a directory.
func usable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("cgroups cannot be made below %s: %w", dir, err)
	}
	return nil
}

// limit sets the new cell's process limit.
func (c *Client) limit(n *cell) error {
	v2, mount, err := pidsController()
	if err != nil {
		return nil //nolint:nilerr // Features says that it is not enforced, and why
	}
	parent := filepath.Join(mount, cgroupName(c.root))
	dir := n.Cgroup
	switch {
	case !v2:
		if dir, err = makeCgroup(parent, n.ID); err != nil {
			return err
		}
		n.Pids = dir
	case dir == "":
		return fmt.Errorf("limit processes: cell has no cgroup below %s", parent)
	default:
		for _, d := range []string{mount, parent} {
			if err := writeFile(filepath.Join(d, "cgroup.subtree_control"), 0, []byte("+pids")); err != nil {
				return fmt.Errorf("limit processes: %w", err)
			}
		}
	}
	if err := writeFile(filepath.Join(dir, "pids.max"), 0, strconv.AppendUint(nil, n.Spec.MaxProcesses, 10)); err != nil {
		return fmt.Errorf("limit processes: %w", err)
	}
	return nil
}

// enterPids is the step by which a child moves itself below its limit.
func (e *entry) enterPids(x *cell) error {
	if x.Pids == "" {
		return nil
	}
	fd, err := e.open(filepath.Join(x.Pids, "cgroup.procs"), unix.O_WRONLY)
	if err != nil {
		return err
	}
	self := &[1]byte{'0'}
	s := stage.Sys("enter the process limit's cgroup", unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(self)), 1)
	s.Keep = []any{self}
	e.steps = append(e.steps, s)
	return nil
}

func maxProcesses() kmod.Support {
	if _, _, err := pidsController(); err != nil {
		return recorded(err.Error())
	}
	// NetBSD counts processes. Programs with many threads need a higher limit here.
	return kmod.Support{Level: kmod.Enforced, Reason: "the pids controller counts threads, so each thread of a process counts too"}
}
