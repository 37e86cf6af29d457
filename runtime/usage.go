package runtime

// What a container's processes are and use, and the one limit that can change
// while they run.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Processes lists the host's pids of a container's processes.
func (r *Runtime) Processes(id string) ([]int, error) {
	c, err := r.withProcesses("processes of", id)
	if err != nil {
		return nil, err
	}
	return r.kmod.Processes(c.Cell)
}

// Members tells of each process who it is and what it uses.
func (r *Runtime) Members(id string) ([]kmod.Member, error) {
	c, err := r.withProcesses("processes of", id)
	if err != nil {
		return nil, err
	}
	return r.kmod.Members(c.Cell)
}

// Stats tells what a container uses and was denied.
func (r *Runtime) Stats(id string) (kmod.Stats, error) {
	c, err := r.withProcesses("statistics of", id)
	if err != nil {
		return kmod.Stats{}, err
	}
	return r.kmod.Stats(c.Cell)
}

// Limit changes how many processes a container may have; 0 is no limit.
func (r *Runtime) Limit(id string, processes uint64) error {
	c, err := r.withProcesses("update", id)
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

// withProcesses loads a container that has not stopped.
func (r *Runtime) withProcesses(doing, id string) (*container, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	if s := c.status(); s == state.Stopped {
		return nil, fmt.Errorf("%s %q: %w", doing, id, state.ErrNotRunning)
	} else if s == state.Creating {
		return nil, fmt.Errorf("%s %q: it is still being created", doing, id)
	}
	return c, nil
}
