package runtime

// What a container's processes are and use, and the one limit that can change
// while they run.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Processes lists the host's pids of a container's processes; a stopped one has
// none, or those that its first process has left in the cell.
func (r *Runtime) Processes(id string) ([]int, error) {
	return inCell(r, "processes of", id, r.kmod.Processes)
}

// Members tells of each process who it is and what it uses.
func (r *Runtime) Members(id string) ([]kmod.Member, error) {
	return inCell(r, "processes of", id, r.kmod.Members)
}

// inCell asks about a container's cell, as long as there is one.
func inCell[T any](r *Runtime, doing, id string, ask func(kmod.ID) (T, error)) (none T, err error) {
	c, err := r.load(id)
	if err != nil {
		return none, err
	}
	return cellOf(c, doing, ask)
}

// cellOf is inCell for a container that is loaded.
func cellOf[T any](c *container, doing string, ask func(kmod.ID) (T, error)) (none T, err error) {
	status, err := c.Status()
	if err != nil {
		return none, err
	}
	switch status {
	case state.Creating:
		return none, fmt.Errorf("%s %q: it is still being created", doing, c.ID)
	case state.Stopped:
		if same, err := c.sameBoot(); !same || err != nil {
			return none, err
		}
	}
	got, err := ask(c.Cell)
	if errors.Is(err, kmod.ErrNotFound) {
		return none, nil
	}
	return got, err
}

// Stats tells what a container uses and was denied.
func (r *Runtime) Stats(id string) (kmod.Stats, error) {
	c, _, err := r.loadAlive("statistics of", id)
	if err != nil {
		return kmod.Stats{}, err
	}
	return r.kmod.Stats(c.Cell)
}

// Seen is what Survey tells of a container: its state, and what it uses. Stats is
// nil without a process, and where Err says why there are none.
type Seen struct {
	*State
	Stats *kmod.Stats
	Err   error
}

// Survey is List with statistics of those that count accepts by their id. What
// ends meanwhile has none.
func (r *Runtime) Survey(count func(id string) bool) ([]Seen, error) {
	return each(r, func(c *container, s *State) Seen {
		seen := Seen{State: s}
		if lives(s.Status) && count(s.ID) {
			stats, err := r.kmod.Stats(c.Cell)
			switch {
			case err == nil:
				seen.Stats = &stats
			case !errors.Is(err, kmod.ErrNotFound):
				seen.Err = err
			}
		}
		return seen
	})
}

// Limit changes how many processes a container may have; 0 is no limit.
func (r *Runtime) Limit(id string, processes uint64) error {
	c, _, err := r.loadAlive("update", id)
	if err != nil {
		return err
	}
	if err := r.kmod.Limit(c.Cell, processes); err != nil {
		return fmt.Errorf("update %q: %w", id, err)
	}
	return nil
}

// Reserve sets the ports and addresses that the host keeps for itself.
func (r *Runtime) Reserve(what kmod.Reservations) error { return r.kmod.Reserve(what) }
