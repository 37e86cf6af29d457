package emulator

// The process limit: the pids controller of either cgroup version. The
// process enters a v2 cgroup by its birth, a v1 cgroup by a step.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// pidsV1 is the controller's place in the v1 hierarchy.
const pidsV1 = "/sys/fs/cgroup/pids"

// pidsController tells where a process limit can be set.
func pidsController() (v2 bool, mount string, err error) { return controllerIn(cgroupV2(), pidsV1) }

// controllerIn looks in the v2 hierarchy, if there is one, and in that of v1.
func controllerIn(unified, legacy string) (v2 bool, mount string, err error) {
	if unified != "" && lists(unified, "cgroup.controllers", "pids") {
		return true, unified, delegable(unified)
	}
	if isV1(legacy) {
		return false, legacy, usable(legacy)
	}
	return false, "", errors.New("no cgroup hierarchy has the pids controller")
}

// lists tells whether a word is in a cgroup's file. One that can't be read has none.
func lists(dir, file, word string) bool {
	b, _ := readFile(filepath.Join(dir, file))
	return slices.Contains(strings.Fields(string(b)), word)
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
	// One that this pid namespace does not see counts, too.
	if b, err := readFile(filepath.Join(mount, "cgroup.procs")); err != nil || len(b) > 0 {
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
func (x *cell) limit() error {
	v2, mount, err := pidsController()
	if err != nil {
		return nil //nolint:nilerr // Features says that it is not enforced, and why
	}
	return x.setLimit(v2, mount, x.Spec.MaxProcesses)
}

// setLimit makes what the limit needs and sets it; 0 is none.
func (x *cell) setLimit(v2 bool, mount string, processes uint64) error {
	dir, err := x.Pids, error(nil)
	switch {
	case !v2:
		err = makeCgroup(mount, dir)
	case x.Cgroup == "":
		err = fmt.Errorf("cell has no cgroup below %s", mount)
	default:
		dir = x.Cgroup
		err = handDown(mount, dir, "+pids")
	}
	if err == nil {
		value := []byte("max")
		if processes != 0 && processes != kmod.Unlimited {
			value = strconv.AppendUint(nil, processes, 10)
		}
		err = writeFile(filepath.Join(dir, "pids.max"), 0, value)
	}
	if err != nil {
		return fmt.Errorf("limit processes: %w", err)
	}
	return nil
}

// Limit changes the limit. A cell that had none on cgroup v1 has its members
// moved below it.
func (c *Client) Limit(id kmod.ID, processes uint64) error {
	if err := c.changeLimit(id, processes); err != nil {
		return fmt.Errorf("limit processes of cell %d: %w", id, err)
	}
	return nil
}

func (c *Client) changeLimit(id kmod.ID, processes uint64) error {
	m, err := c.find()
	if err != nil {
		return err
	}
	if m == Published {
		return fmt.Errorf("%s: %w", kmod.Published().MaxProcesses.Reason, kmod.ErrUnsupported)
	}
	v2, mount, err := pidsController()
	if err != nil {
		return fmt.Errorf("%w: %w", err, kmod.ErrUnsupported)
	}
	return c.limitIn(v2, mount, id, processes)
}

// limitIn changes the limit by the controller of one hierarchy.
func (c *Client) limitIn(v2 bool, mount string, id kmod.ID, processes uint64) error {
	x, err := c.lookup(id)
	if err != nil {
		return err
	}
	if v2 {
		return x.setLimit(v2, mount, processes)
	}
	// The record comes first, so that Destroy finds what is made here.
	if x.Pids == "" {
		err := c.change(id, func(y *cell) error {
			y.Pids = c.pidsCgroup(mount, y)
			x = y
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := x.setLimit(v2, mount, processes); err != nil {
		return err
	}
	return x.gather(x.Pids)
}

// processLimit is the limit that the kernel has, or what the cell was made with
// where it has none: 0 is no limit.
func (x *cell) processLimit() uint64 {
	limit := x.Spec.MaxProcesses
	if limit == kmod.Unlimited {
		limit = 0
	}
	dir := x.Pids
	if dir == "" {
		dir = x.Cgroup
	}
	if dir == "" || x.Module == Published {
		return limit
	}
	b, err := readFile(filepath.Join(dir, "pids.max"))
	if err != nil {
		return limit
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0 // "max"
	}
	return n
}

// gather moves the members into a cgroup until a pass finds nobody outside:
// they may fork meanwhile, and whoever enters does so by itself.
func (x *cell) gather(dir string) error {
	for range 100 {
		pids, err := x.processes()
		if err != nil {
			return err
		}
		inside, err := cgroupProcesses(dir)
		if err != nil {
			return err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return slices.Contains(inside, pid) })
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			err := writeFile(filepath.Join(dir, "cgroup.procs"), 0, strconv.AppendInt(nil, int64(pid), 10))
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("move process %d into cgroup %s: %w", pid, dir, err)
			}
		}
	}
	return fmt.Errorf("members fork faster than they are moved: %w", unix.EAGAIN)
}

// enterSpots are the steps by which a child moves itself into the v1 cgroups: its only
// thread by "tasks". For a whole process, by "cgroup.procs", the kernel waits until no
// processor runs a fork (cgroup_attach_lock), for milliseconds.
func (e *entry) enterSpots(x *cell) error {
	for _, s := range x.spots() {
		fd, err := e.open(filepath.Join(s.dir, "tasks"), unix.O_WRONLY)
		if errors.Is(err, unix.ENOENT) && s.dir != x.Pids {
			continue // a tool has removed it: it counts no more
		}
		if err != nil {
			return err
		}
		self := &[1]byte{'0'}
		step := stage.OnFD("enter cgroup "+s.dir, unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(self)), 1)
		step.Keep = []any{self}
		// Members may look at what the child has open: not for longer than needed.
		e.steps = append(e.steps, step, stage.OnFD("close cgroup "+s.dir, unix.SYS_CLOSE, fd))
	}
	return nil
}

// maxProcesses tells what comes of what pidsController says.
func maxProcesses(_ bool, _ string, err error) kmod.Support {
	if err != nil {
		return recorded(err.Error())
	}
	// NetBSD counts processes. Programs with many threads need a higher limit here.
	return kmod.Support{Level: kmod.Enforced, Reason: "the pids controller counts threads, so each thread of a process counts too, and who enters needs room for two"}
}
