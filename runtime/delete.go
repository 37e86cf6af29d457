package runtime

// delete (runtime.md, "Delete"): what create made goes, in an order that can be
// cut off and repeated.

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/runtime/internal/hooks"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// Delete removes a stopped or created container; with force a running one,
// the remains of a killed create, and nothing at all (runtime.md, "Delete").
// It can be cut off anywhere and repeated.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) error {
	c, err := r.loadLocked(ctx, id)
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
	if !force {
		s, err := c.Status()
		if err != nil {
			return fmt.Errorf("delete %q: %w", id, err)
		}
		if s != state.Stopped && s != state.Created {
			return fmt.Errorf("delete %q: container is %s: stop it with `runcell stop`, or use --force", id, s)
		}
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
	step.Done("killed")
	if c.Cell != 0 {
		if err := c.rt.destroyCell(c.Cell); err != nil {
			return fmt.Errorf("delete %q: %w", c.ID, err)
		}
	} else if err := c.rt.destroyByName(c.ID); err != nil {
		return err
	}
	step.Done("cell destroyed")
	if err := c.rt.addresses.Drop(c.ID); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	if err := c.unmount(); err != nil {
		return fmt.Errorf("delete %q: %w", c.ID, err)
	}
	step.Done("unmounted")
	if plan, err := c.Plan(); err == nil {
		hooks.RunPoststop(ctx, plan.Hooks.Poststop, c.StateAs(state.Stopped, 0))
	} else if c.Phase == state.Created {
		log.G(ctx).WithFields(log.Fields{"id": c.ID, "hook": "poststop"}).Warnf("poststop hooks not run: %v", err)
	}
	step.Done("poststop hooks")
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
	if err := errors.Join(c.rt.addresses.Drop(id), c.unmount()); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	if err := c.remove(); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	return nil
}
