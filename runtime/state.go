package runtime

// What callers ask about containers. It takes no lock: hooks ask while their
// container is being created.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// State gives a container's state (runtime.md, "Query State").
func (r *Runtime) State(id string) (*State, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.State()
}

// List gives every container below the state root, by id. Containers that
// vanish meanwhile are left out; one whose record cannot be read is an error
// that is returned beside the others.
func (r *Runtime) List() ([]*State, error) {
	states := []*State{}
	unread, err := r.each(func(_ *container, s *State) { states = append(states, s) })
	if err != nil {
		return nil, err
	}
	return states, unread
}

// each looks at every container below the state root, by id. unread is of those
// that cannot be read.
func (r *Runtime) each(see func(*container, *State)) (unread, err error) {
	ids, err := state.IDs(r.root)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, id := range ids {
		c, err := r.load(id)
		if errors.Is(err, state.ErrNotExist) {
			continue
		}
		var s *State
		if err == nil {
			s, err = c.State()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		see(c, s)
	}
	return errors.Join(errs...), nil
}

// Plan gives the Plan that a container was created from.
func (r *Runtime) Plan(id string) (*oci.Plan, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.Plan()
}
