package runtime

// recover: what a crash or a reboot left. A container is left alone as long as
// its record and its cell belong together, whether its process runs or not.

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Recover removes the remains and tells what it did, a line each. What another
// command is working on is not touched. It goes on after an error.
func (r *Runtime) Recover(ctx context.Context) (done []string, err error) {
	// A container is there before its cell and goes after it. So of the cells
	// before this list, those that none of it has are nobody's; a container of it
	// has its cell among those that there are by then.
	cells, err := r.cells()
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	ids, err := state.IDs(r.root)
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	now, err := r.cells()
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	byName := map[string]kmod.Info{}
	for _, cell := range cells {
		byName[cell.Name] = cell
	}
	var errs []error
	for _, id := range ids {
		delete(byName, state.CellName(r.root, id))
		what, err := r.recoverOne(ctx, id, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("recover: %w", err))
		} else if what != "" {
			done = append(done, what)
		}
	}
	for _, cell := range byName {
		if !r.owns(cell) {
			continue
		}
		if err := r.endCell(cell.ID); err != nil {
			errs = append(errs, fmt.Errorf("recover: cell %s: %w", cell.Name, err))
			continue
		}
		done = append(done, fmt.Sprintf("cell %s: it had no container", cell.Name))
	}
	freed, err := r.addresses.Recover()
	return append(done, freed...), errors.Join(append(errs, err)...)
}

// cells lists the kernel's cells; a kernel without has none.
func (r *Runtime) cells() ([]kmod.Info, error) {
	cells, err := r.kmod.List()
	if errors.Is(err, kmod.ErrUnavailable) {
		err = nil
	}
	return cells, err
}

// recoverOne removes one container if it is a remainder, and says why.
func (r *Runtime) recoverOne(ctx context.Context, id string, cells []kmod.Info) (why string, err error) {
	c := r.at(id)
	got, err := c.TryLock()
	if errors.Is(err, state.ErrNotExist) {
		return "", nil // deleted meanwhile
	}
	if !got || err != nil {
		return "", err
	}
	defer c.Release()
	if err := c.Read(); err != nil {
		switch {
		case errors.Is(err, state.ErrNotExist):
			return id + ": its create was killed", c.clean()
		case cellNamed(cells, state.CellName(r.root, id)):
			return "", err // somebody should look at this one
		}
		// No record is written to the disk at once: a power failure leaves empty ones.
		return id + ": its record can't be read, and its cell is gone", c.clean()
	}
	status, err := c.Status()
	if err != nil {
		return "", err
	}
	switch {
	case c.Phase == state.Creating:
		why = id + ": its create was killed"
	case status == state.Stopped && !c.hasCell(cells):
		why = id + ": its cell is gone"
		c.Cell = 0 // the number may be another's; what there is has the name
	default:
		return "", nil
	}
	return why, c.delete(context.WithoutCancel(ctx))
}

func cellNamed(cells []kmod.Info, name string) bool {
	return slices.ContainsFunc(cells, func(cell kmod.Info) bool { return cell.Name == name })
}

// clearRemains removes the remains of a killed create, so that its id can be
// used again. It tells whether it can be.
func (c *container) clearRemains(ctx context.Context) (bool, error) {
	got, err := c.TryLock()
	if errors.Is(err, state.ErrNotExist) {
		return true, nil // deleted meanwhile
	}
	if !got || err != nil {
		return false, err
	}
	defer c.Release()
	err = c.Read()
	switch {
	case errors.Is(err, state.ErrNotExist):
		return true, c.clean()
	case err != nil || c.Phase != state.Creating:
		return false, nil //nolint:nilerr // an unreadable record is not ours to remove unasked
	}
	return true, c.delete(context.WithoutCancel(ctx))
}
