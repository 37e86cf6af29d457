package runtime

// The kernel's side of a container: its cell, by number and by name.

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"golang.org/x/sys/unix"
)

// deathPatience is how long killed processes may take to disappear, on a machine
// that has other things to do.
const deathPatience = 30 * time.Second

// createCell makes the container's cell.
func (c *container) createCell(plan *oci.Plan) (err error) {
	s := c.cellSpec(plan)
	if s.Devices, err = devices.Listed(plan.Devices); err != nil {
		return err
	}
	c.Cell, err = c.rt.kmod.Create(s)
	if errors.Is(err, kmod.ErrExists) {
		return fmt.Errorf("%w, though there is no record of its container: `runcell delete --force %s` removes that cell with its processes", err, c.ID)
	}
	return err
}

// cellSpec is what the kernel is told.
func (c *container) cellSpec(plan *oci.Plan) kmod.Spec {
	s := kmod.Spec{
		Name: state.CellName(c.rt.root, c.ID), Root: rootfs.HostPath(c.Rootfs, c.Mounts), Profile: plan.Cell.Profile,
		Permissions: plan.Cell.Permissions, Ports: plan.Cell.Ports, Network: plan.Cell.Network,
		MaxProcesses: plan.Cell.MaxProcesses, CgroupsPath: plan.CgroupsPath,
		RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited,
	}
	for _, a := range plan.Cell.Addresses {
		s.Addresses = append(s.Addresses, a.Prefix.Addr())
	}
	for _, l := range plan.Process.Rlimits {
		switch l.Type {
		case "RLIMIT_NOFILE":
			s.RlimitNofile = l.Hard
		case "RLIMIT_AS":
			s.RlimitAS = l.Hard
		case "RLIMIT_CORE":
			s.RlimitCore = l.Hard
		}
	}
	return s
}

// hasCell tells whether a container's record and a cell belong together: ids
// may begin anew with every boot, so the number alone says nothing.
func (c *container) hasCell(cells []kmod.Info) bool {
	name := state.CellName(c.rt.root, c.Name())
	for _, cell := range cells {
		if cell.ID == c.Cell && cell.Name == name {
			return true
		}
	}
	return false
}

// sameBoot tells whether the recorded cell still is this container's: after a
// reboot another container can have the number. A process that lives, or that
// this command has made, has its cell; else id and name decide, for which NetBSD's
// kernel has to list all cells.
func (c *container) sameBoot() (bool, error) {
	if c.Cell == 0 {
		return false, nil
	}
	if c.child != nil {
		return true, nil
	}
	if alive, err := c.Alive(); alive || err != nil {
		return alive, err
	}
	name, err := c.rt.kmod.Name(c.Cell)
	if errors.Is(err, kmod.ErrUnavailable) || errors.Is(err, kmod.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find cell: %w", err)
	}
	return name == state.CellName(c.rt.root, c.Name()), nil
}

// owns tells whether a cell that has no container was made below this state
// root: there its root is mounted. Where each state root has cells of its own,
// all are.
func (r *Runtime) owns(cell kmod.Info) bool { return !cellsAreShared || r.hasBelow(cell.Root) }

// hasBelow tells whether a cell's root is below this state root.
func (r *Runtime) hasBelow(root string) bool {
	dir, err := filepath.EvalSymlinks(r.root) //nolint:forbidigo // the state directory is ours alone
	return err == nil && root != dir && inroot.Within(root, dir)
}

// killAll ends every process of the cell and returns when none is left. It
// kills again and again: NetBSD drops a signal that comes at the end of an
// execve(2), and kill(2) says that it was sent.
func (c *container) killAll() error {
	err := untilNobody(func() (int, error) {
		if err := process.SignalProcess(c.Pid, c.PidStart, unix.SIGKILL); err != nil && !errors.Is(err, process.ErrGone) {
			return 0, fmt.Errorf("kill process %d: %w", c.Pid, err)
		}
		c.child.Reap()
		left, err := c.rt.killMembers(c.Cell)
		if left > 0 || err != nil {
			return left, err
		}
		alive, err := c.Alive()
		if alive {
			left = 1
		}
		return left, err
	})
	c.child.Reap() // one that has ended, and is ours to reap, keeps a cell from being destroyed
	return err
}

// killMembers kills a cell's members and tells how many there still are. No
// cell has none.
func (r *Runtime) killMembers(id kmod.ID) (left int, err error) {
	if id == 0 {
		return 0, nil
	}
	err = r.kmod.Kill(id, int(unix.SIGKILL))
	if err != nil && !errors.Is(err, kmod.ErrNotFound) {
		return 0, err
	}
	pids, err := r.kmod.Processes(id)
	if err != nil && !errors.Is(err, kmod.ErrNotFound) {
		return 0, err
	}
	return len(pids), nil
}

// untilNobody kills until nobody is left.
func untilNobody(kill func() (left int, err error)) error {
	step.Say("kill, and wait until nobody is left in the cell")
	deadline := time.Now().Add(deathPatience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		left, err := kill()
		if left == 0 || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes are still there after %v of SIGKILL", left, deathPatience)
		}
		time.Sleep(pause)
	}
}

// destroyByName ends and removes the cell of an id, if there is one.
func (r *Runtime) destroyByName(id string) error {
	names, err := r.kmod.Names()
	if errors.Is(err, kmod.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	name := state.CellName(r.root, id)
	for cell, has := range names {
		if has != name {
			continue
		}
		if err := r.endCell(cell); err != nil {
			return fmt.Errorf("delete %q: %w", id, err)
		}
	}
	return nil
}

// endCell kills and removes a cell.
func (r *Runtime) endCell(id kmod.ID) error {
	if err := untilNobody(func() (int, error) { return r.killMembers(id) }); err != nil {
		return err
	}
	return r.destroyCell(id)
}

// destroyCell removes a cell, giving its last processes a moment to be
// reaped. A cell that is gone is fine.
func (r *Runtime) destroyCell(id kmod.ID) error {
	step.Say("destroy cell %d, and wait until its last process is reaped", id)
	deadline := time.Now().Add(deathPatience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := r.kmod.Destroy(id)
		if errors.Is(err, kmod.ErrNotFound) {
			return nil
		}
		if !errors.Is(err, kmod.ErrBusy) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}
