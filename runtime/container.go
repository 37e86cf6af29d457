package runtime

// A container as the commands know it: what is stored of it, and the runtime
// that works on it.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

type container struct {
	rt *Runtime
	*state.Container
	// child is the first process where this command has made it, and has to reap
	// it; nil = another's.
	child *process.Child
	// deleted is set when a failed start has ended the container already.
	deleted bool
}

// newContainer makes and locks a new container's directory; the remains of a
// create that was killed make way.
func (r *Runtime) newContainer(ctx context.Context, id string) (*container, error) {
	s, err := state.Create(ctx, r.root, id, func() (bool, error) { return r.at(id).clearRemains(ctx) })
	return r.with(s), err
}

func (r *Runtime) at(id string) *container { return r.with(state.At(r.root, id)) }

func (r *Runtime) load(id string) (*container, error) {
	step.Say("read container %q below %s", id, r.root)
	s, err := state.Load(r.root, id)
	return r.with(s), err
}

// loadLocked may give a container beside an error, as state.LoadLocked does.
func (r *Runtime) loadLocked(ctx context.Context, id string) (*container, error) {
	step.Say("lock and read container %q below %s", id, r.root)
	s, err := state.LoadLocked(ctx, r.root, id)
	return r.with(s), err
}

func (r *Runtime) with(s *state.Container) *container {
	if s == nil {
		return nil
	}
	return &container{rt: r, Container: s}
}

// loadAlive loads a container that has processes, for a command on them.
func (r *Runtime) loadAlive(doing, id string) (*container, state.Status, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, "", err
	}
	s, err := c.alive(doing)
	return c, s, err
}

// alive is the status of a container that has processes.
func (c *container) alive(doing string) (state.Status, error) {
	s, err := c.Status()
	switch {
	case err != nil:
		return "", fmt.Errorf("%s %q: %w", doing, c.ID, err)
	case s == state.Stopped:
		return s, fmt.Errorf("%s %q: %w", doing, c.ID, state.ErrNotRunning)
	case s == state.Creating:
		return s, fmt.Errorf("%s %q: it is still being created", doing, c.ID)
	}
	return s, nil
}

// remove deletes what is stored. Nothing may be mounted below it any more: it
// would be deleted too.
func (c *container) remove() error {
	if err := c.unmount(); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return c.Remove()
}

// recordMount notes a mount point before it is mounted on.
func (c *container) recordMount(path string) error {
	if slices.Contains(c.Mounts, path) {
		return nil
	}
	c.Mounts = append(c.Mounts, path)
	return c.Save()
}

// unmount unmounts whatever is left of the container's mounts.
func (c *container) unmount() error { return rootfs.Unmount(c.Dir, c.Mounts, c.Phase == state.Created) }
