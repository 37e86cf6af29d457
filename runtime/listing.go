package runtime

// The containers as a user lists them: more than their states, without reading
// more of each than that takes.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Listed is a container in the list.
type Listed struct {
	*State
	ExitStatus *int        // of a stopped one, if it is known
	Ports      []kmod.Port // that the kernel reserves for it
}

// Listing is List with what the kernel knows of each. What can't be found out is
// left out, and an error besides; what goes meanwhile is none.
func (r *Runtime) Listing(ctx context.Context) ([]Listed, error) {
	type one struct {
		c *container
		Listed
	}
	all, err := each(r, func(c *container, s *State) one { return one{c, Listed{State: s}} })
	list, errs := make([]Listed, len(all)), []error{err}
	var names map[kmod.ID]string
	if slices.ContainsFunc(all, func(o one) bool { return !lives(o.Status) }) {
		// Asked for after the records were read: a cell that has its number and its
		// name by then is the container's.
		names, err = r.kmod.Names()
		if err != nil && !errors.Is(err, kmod.ErrUnavailable) {
			errs = append(errs, err)
		}
	}
	for i, o := range all {
		if err := o.c.look(ctx, &o.Listed, names); err != nil {
			errs = append(errs, fmt.Errorf("container %q: %w", o.ID, err))
		}
		list[i] = o.Listed
	}
	return list, errors.Join(errs...)
}

// lives tells whether a container has its process, and so the cell of its record.
func lives(s Status) bool { return s != state.Stopped && s != state.Creating }

// look finds what is not in the state.
func (c *container) look(ctx context.Context, l *Listed, names map[kmod.ID]string) error {
	if c.Cell == 0 || !lives(l.Status) && names[c.Cell] != state.CellName(c.rt.root, c.Name()) {
		return nil
	}
	var errs []error
	if l.Status == state.Stopped && c.Phase == state.Created {
		status, known, err := c.exitStatus(ctx)
		if errs = append(errs, err); known {
			l.ExitStatus = &status
		}
	}
	if !c.NoPorts {
		claims, err := c.claims()
		errs = append(errs, err)
		l.Ports = claims.Ports
	}
	return errors.Join(errs...)
}

// claims are what the kernel keeps for the container's cell, or was told to
// where it does not say.
func (c *container) claims() (kmod.Claims, error) {
	claims, err := c.rt.kmod.Claims(c.Cell)
	if errors.Is(err, kmod.ErrUnsupported) {
		claims, err = c.planClaims()
	}
	if errors.Is(err, kmod.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		err = nil // it is gone meanwhile
	}
	return claims, err
}
