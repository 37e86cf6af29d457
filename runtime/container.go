package runtime

// A container as the commands know it: what is stored of it, and the runtime
// that works on it.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/oci"
)

type container struct {
	rt *Runtime
	// deleted is set when a failed start has ended the container already.
	deleted bool
	*stored
}

func (r *Runtime) container(id string) *container {
	return &container{rt: r, stored: storedAt(r.root, id)}
}

// newContainer makes and locks a new container's directory; the remains of a
// create that was killed make way.
func (r *Runtime) newContainer(ctx context.Context, id string) (*container, error) {
	s, err := createStored(r.root, id, func() (bool, error) { return r.container(id).clearRemains(ctx) })
	if err != nil {
		return nil, err
	}
	return &container{rt: r, stored: s}, nil
}

func (r *Runtime) load(id string) (*container, error) {
	s, err := loadStored(r.root, id)
	return r.with(s), err
}

func (r *Runtime) loadLocked(id string) (*container, error) {
	s, err := loadStoredLocked(r.root, id)
	return r.with(s), err
}

func (r *Runtime) with(s *stored) *container {
	if s == nil {
		return nil
	}
	return &container{rt: r, stored: s}
}

// remove deletes what is stored. Nothing may be mounted below it any more: it
// would be deleted too.
func (c *container) remove() error {
	if err := c.unmountRoot(); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return c.stored.remove()
}

// recordMount notes a mount point before it is mounted on.
func (c *container) recordMount(path string) error {
	if slices.Contains(c.Mounts, path) {
		return nil
	}
	c.Mounts = append(c.Mounts, path)
	return c.save()
}

// unmountRoot unmounts whatever is left of the container's mounts.
func (c *container) unmountRoot() error { return unmountRootfs(c.dir, c.Mounts) }

func (c *container) cellRootPath() string { return cellRootPath(c.Rootfs, c.Mounts) }

// Plan gives the Plan that a container was created from.
func (r *Runtime) Plan(id string) (*oci.Plan, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	return c.plan()
}
