package runtime

// A container as the commands know it: what is stored of it, and the runtime
// that works on it.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

type container struct {
	rt *Runtime
	// deleted is set when a failed start has ended the container already.
	deleted bool
	*state.Container
}

func (r *Runtime) container(id string) *container {
	return &container{rt: r, Container: state.At(r.root, id)}
}

// newContainer makes and locks a new container's directory; the remains of a
// create that was killed make way.
func (r *Runtime) newContainer(ctx context.Context, id string) (*container, error) {
	s, err := state.Create(r.root, id, func() (bool, error) { return r.container(id).clearRemains(ctx) })
	if err != nil {
		return nil, err
	}
	return &container{rt: r, Container: s}, nil
}

func (r *Runtime) load(id string) (*container, error) {
	s, err := state.Load(r.root, id)
	return r.with(s), err
}

func (r *Runtime) loadLocked(id string) (*container, error) {
	s, err := state.LoadLocked(r.root, id)
	return r.with(s), err
}

func (r *Runtime) with(s *state.Container) *container {
	if s == nil {
		return nil
	}
	return &container{rt: r, Container: s}
}

// remove deletes what is stored. Nothing may be mounted below it any more: it
// would be deleted too.
func (c *container) remove() error {
	if err := c.unmountRoot(); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return c.Container.Remove()
}

// recordMount notes a mount point before it is mounted on.
func (c *container) recordMount(path string) error {
	if slices.Contains(c.Mounts, path) {
		return nil
	}
	c.Mounts = append(c.Mounts, path)
	return c.Save()
}

// unmountRoot unmounts whatever is left of the container's mounts.
func (c *container) unmountRoot() error { return rootfs.Unmount(c.Dir, c.Mounts) }

func (c *container) cellRootPath() string { return rootfs.CellRootPath(c.Rootfs, c.Mounts) }

// Plan gives the Plan that a container was created from.
func (r *Runtime) Plan(id string) (*oci.Plan, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.Plan()
}
