package runtime

// What state a container is in: its record, and whether its process lives.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"

	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// status works out the spec's status. A pid counts only together with its
// start time, so that a reused pid is never taken for the container.
func (c *container) status() state.Status {
	if c.Phase == state.Creating {
		if c.Locked() {
			return state.Creating
		}
		return state.Stopped // its creator was killed
	}
	if !sys.Alive(c.Pid, c.PidStart) {
		return state.Stopped
	}
	if _, err := os.Lstat(c.Path(state.FifoFile)); err == nil {
		return state.Created
	}
	if c.Paused {
		return state.Paused
	}
	return state.Running
}

func (c *container) state() *State {
	s := &State{
		OCIVersion: c.OCIVersion, ID: c.ID, Status: c.status(), Pid: c.Pid,
		Bundle: c.Bundle, Rootfs: c.Rootfs, Created: c.Created, Owner: c.Owner,
		Annotations: c.Annotations,
	}
	if s.Status == state.Stopped {
		s.Pid = 0
	}
	return s
}

// State gives a container's state (runtime.md, "Query State"). It takes no
// lock: hooks call it while their container is being created.
func (r *Runtime) State(id string) (*State, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.state(), nil
}

// List gives every container below the state root, by id. Containers that
// vanish meanwhile are left out; one whose record cannot be read is an error
// that is returned beside the others.
func (r *Runtime) List() ([]*State, error) {
	entries, err := os.ReadDir(r.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	states := []*State{}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || state.ValidateID(e.Name()) != nil {
			continue
		}
		c, err := r.load(e.Name())
		switch {
		case errors.Is(err, state.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		default:
			states = append(states, c.state())
		}
	}
	sort.Slice(states, func(i, j int) bool { return states[i].ID < states[j].ID })
	return states, errors.Join(errs...)
}
