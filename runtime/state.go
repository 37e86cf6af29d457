package runtime

// What callers ask about containers. It takes no lock: hooks ask while their
// container is being created.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
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
	return each(r, func(_ *container, s *State) *State { return s })
}

// each looks at every container below the state root, and gives what was seen, by
// id; nil if there is no telling which there are. Several are looked at at a time.
func each[T any](r *Runtime, look func(*container, *State) T) (seen []T, err error) {
	ids, err := state.IDs(r.root)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	type one struct {
		seen T
		ok   bool
		err  error
	}
	all := make([]one, len(ids))
	sys.InParallel(len(ids), func(i int) {
		c, err := r.load(ids[i])
		if errors.Is(err, state.ErrNotExist) {
			return
		}
		var s *State
		if err == nil {
			s, err = c.State()
		}
		if all[i].err = err; err == nil {
			all[i].seen, all[i].ok = look(c, s), true
		}
	})
	var errs []error
	seen = make([]T, 0, len(ids))
	for _, o := range all {
		if o.ok {
			seen = append(seen, o.seen)
		}
		errs = append(errs, o.err)
	}
	return seen, errors.Join(errs...)
}

// Plan gives the Plan that a container was created from.
func (r *Runtime) Plan(id string) (*oci.Plan, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.Plan()
}
