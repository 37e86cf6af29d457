package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/fault"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Delete removes a stopped or created container; with force a running one,
// the remains of a killed create, and nothing at all (runtime.md, "Delete").
// It can be cut off anywhere and repeated.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) error {
	c, err := r.loadLocked(id)
	if c == nil {
		if force && errors.Is(err, state.ErrNotExist) {
			return errors.Join(r.destroyByName(id), r.addresses.Drop(id))
		}
		return err
	}
	defer c.Release()
	if err != nil {
		if !force {
			return err
		}
		return c.clean()
	}
	if s := c.status(); s != state.Stopped && s != state.Created && !force {
		return fmt.Errorf("delete %q: container is %s: stop it with `runcell kill`, or use --force", id, s)
	}
	return c.delete(ctx)
}

// delete is kill, reap, destroy, unmount, hooks, record: in this order, as
// each step depends on the one before.
func (c *container) delete(ctx context.Context) error {
	if c.deleted {
		return nil
	}
	if c.Cell != 0 {
		same, err := c.sameBoot()
		if err != nil {
			return fmt.Errorf("delete %q: %w", c.ID, err)
		}
		if !same {
			c.Cell = 0 // what there may be is found by its name
		}
	}
	if err := c.killAll(); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	fault.Point("killed")
	if c.Cell != 0 {
		if err := destroyCell(c.rt.kmod, c.Cell); err != nil {
			return fmt.Errorf("delete %q: %w", c.ID, err)
		}
	} else if err := c.rt.destroyByName(c.ID); err != nil {
		return err
	}
	fault.Point("cell destroyed")
	if err := c.rt.addresses.Drop(c.ID); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	if err := c.unmountRoot(); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	fault.Point("unmounted")
	if plan, err := c.Plan(); err == nil {
		c.runPoststop(ctx, plan.Hooks.Poststop)
	} else if c.Phase == state.Created {
		log.G(ctx).WithField("id", c.ID).Warnf("poststop hooks not run: %v", err)
	}
	fault.Point("poststop hooks")
	if err := c.remove(); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	c.deleted = true
	return nil
}

// clean removes a container whose record was never written or is not
// readable. The cell is found by its name.
func (c *container) clean() error {
	id := c.Name()
	if err := c.rt.destroyByName(id); err != nil {
		return err
	}
	if err := errors.Join(c.rt.addresses.Drop(id), c.unmountRoot()); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	if err := c.remove(); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	return nil
}

// destroyByName ends and removes the cell of an id, if there is one.
func (r *Runtime) destroyByName(id string) error {
	cells, err := r.kmod.List()
	if errors.Is(err, kmod.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %q: list cells: %w", id, err)
	}
	name := state.CellName(r.root, id)
	for _, cell := range cells {
		if cell.Name != name {
			continue
		}
		if err := r.endCell(cell.ID); err != nil {
			return fmt.Errorf("delete %q: %w", id, err)
		}
	}
	return nil
}

// destroyCell removes a cell, giving its last processes a moment to be
// reaped. A cell that is gone is fine.
func destroyCell(k kmod.Client, id kmod.ID) error {
	deadline := time.Now().Add(deathPatience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := k.Destroy(id)
		if err == nil || errors.Is(err, kmod.ErrNotFound) {
			return nil
		}
		if !errors.Is(err, kmod.ErrBusy) || time.Now().After(deadline) {
			return fmt.Errorf("destroy cell %d: %w", id, err)
		}
		time.Sleep(pause)
	}
}

// runPoststop runs the last hooks. Their failures are logged and the rest run
// (runtime.md, "Lifecycle", step 13).
func (c *container) runPoststop(ctx context.Context, hooks []oci.Hook) {
	for _, h := range hooks {
		if err := c.runHooks(ctx, []oci.Hook{h}, state.Stopped); err != nil {
			log.G(ctx).WithField("id", c.ID).Warnf("%v", err)
		}
	}
}
