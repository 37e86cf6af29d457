package runtime

// What callers ask about containers. It takes no lock: hooks ask while their
// container is being created.

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"

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
	states, unread, err := each(r, func(_ *container, s *State) *State { return s })
	if err != nil {
		return nil, err
	}
	return states, unread
}

// each looks at every container below the state root, and gives what was seen by
// id. unread is of those that cannot be read. Several are looked at at a time.
func each[T any](r *Runtime, look func(*container, *State) T) (seen []T, unread, err error) {
	ids, err := state.IDs(r.root)
	if err != nil {
		return nil, nil, fmt.Errorf("list containers: %w", err)
	}
	type one struct {
		seen T
		ok   bool
		err  error
	}
	all := make([]one, len(ids))
	inParallel(len(ids), func(i int) {
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
	return seen, errors.Join(errs...), nil
}

// share is how many containers are worth a thread of their own, which costs what
// it takes to look at some ten.
const share, mostThreads = 100, 4

// inParallel calls do with 0 to n-1, on as many threads as that many are worth
// and the machine can run.
func inParallel(n int, do func(i int)) {
	threads := min(n/share, mostThreads, goruntime.GOMAXPROCS(0))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var others sync.WaitGroup
	for range threads - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// Plan gives the Plan that a container was created from.
func (r *Runtime) Plan(id string) (*oci.Plan, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.Plan()
}
