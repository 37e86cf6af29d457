package runtime

// recover: what a crash or a reboot left. A container is left alone as long as
// its record and its cell belong together, whether its process runs or not.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// Recover removes the remains and tells what it did, a line each. What another
// command is working on is not touched. It goes on after an error.
func (r *Runtime) Recover(ctx context.Context) (done []string, err error) {
	entries, err := os.ReadDir(r.root) //nolint:forbidigo // the state directory is ours alone
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recover: read state directory: %w", err)
	}
	cells, err := r.kmod.List()
	if err != nil && !errors.Is(err, kmod.ErrUnavailable) {
		return nil, fmt.Errorf("recover: %w", err)
	}
	byName := map[string]kmod.Info{}
	for _, cell := range cells {
		byName[cell.Name] = cell
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || state.ValidateID(e.Name()) != nil {
			continue
		}
		delete(byName, state.CellName(r.root, e.Name()))
		what, err := r.recoverOne(ctx, e.Name(), cells)
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

// recoverOne removes one container if it is a remainder, and says why.
func (r *Runtime) recoverOne(ctx context.Context, id string, cells []kmod.Info) (why string, err error) {
	c := r.container(id)
	if free, err := c.TryLock(); !free || err != nil {
		return "", err
	}
	defer c.Release()
	if err := c.Read(); err != nil {
		if !errors.Is(err, state.ErrNotExist) {
			return "", err // somebody should look at this one
		}
		return id + ": its create was killed", c.clean()
	}
	switch {
	case c.Phase == state.Creating:
		why = id + ": its create was killed"
	case c.status() == state.Stopped && !hasCell(cells, c):
		why = id + ": its cell is gone"
		c.Cell = 0 // the number may be another's; what there is has the name
	default:
		return "", nil
	}
	return why, c.delete(context.WithoutCancel(ctx))
}

// hasCell tells whether a container's record and a cell belong together: ids
// begin anew with every boot, so the number alone says nothing.
func hasCell(cells []kmod.Info, c *container) bool {
	name := state.CellName(c.rt.root, c.Name())
	for _, cell := range cells {
		if cell.ID == c.Cell && cell.Name == name {
			return true
		}
	}
	return false
}

// endCell kills and removes a cell.
func (r *Runtime) endCell(id kmod.ID) error {
	if err := r.kmod.Kill(id, int(unix.SIGKILL)); err != nil && !errors.Is(err, kmod.ErrNotFound) {
		return fmt.Errorf("kill cell: %w", err)
	}
	return destroyCell(r.kmod, id)
}

// clearRemains removes the remains of a killed create, so that its id can be
// used again. It tells whether there were any.
func (c *container) clearRemains(ctx context.Context) (bool, error) {
	if free, err := c.TryLock(); !free || err != nil {
		return false, err
	}
	defer c.Release()
	err := c.Read()
	switch {
	case errors.Is(err, state.ErrNotExist):
		return true, c.clean()
	case err != nil || c.Phase != state.Creating:
		return false, nil //nolint:nilerr // an unreadable record is not ours to remove unasked
	}
	return true, c.delete(context.WithoutCancel(ctx))
}
