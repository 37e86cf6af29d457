package runtime

// start (runtime.md, "Start"): releases the process that create left waiting.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/hooks"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// Start runs the container's program. A failing startContainer or (since
// spec 1.3) poststart hook stops and deletes the container.
func (r *Runtime) Start(ctx context.Context, id string) error {
	c, err := r.loadLocked(ctx, id)
	if c != nil {
		defer c.Release()
	}
	if err != nil {
		return err
	}
	return c.start(ctx, nil)
}

// start releases the program and runs the hooks around that. running, unless it
// is nil, is called as soon as the program runs; when it fails, so does start.
func (c *container) start(ctx context.Context, running func() error) error {
	if s, err := c.Status(); err != nil {
		return fmt.Errorf("start %q: %w", c.ID, err)
	} else if s != state.Created {
		return fmt.Errorf("start %q: cannot start a container in the %s state: %w", c.ID, s, notCreated(s))
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("start %q: %w", c.ID, err)
	}
	plan, err := c.Plan()
	if err != nil {
		return err
	}
	if err := c.rt.protectFromHooks(plan); err != nil {
		return fmt.Errorf("start %q: %w", c.ID, err)
	}
	if err := c.runHooksInside(ctx, plan); err != nil {
		return c.failHook(ctx, err)
	}
	step.Done("startContainer hooks")
	// Releasing waits for the program to be executed.
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { _ = c.killAll(); close(killed) })
	err = launch.Release(c.Container)
	if !stop() {
		<-killed
		return c.failHook(ctx, context.Cause(ctx))
	}
	if err != nil {
		return c.failStart(err)
	}
	step.Done("released")
	if err := sys.Remove(c.Path(state.FifoFile)); err != nil {
		return c.failStart(err)
	}
	step.Done("fifo removed")
	if running != nil {
		if err := running(); err != nil {
			return c.failHook(ctx, err)
		}
	}
	if err := hooks.Run(ctx, plan.Hooks.Poststart, c.StateAs(state.Running, c.Pid)); err != nil {
		return c.failHook(ctx, err)
	}
	return nil
}

// runHooksInside runs hooks in the cell, before the program takes over.
func (c *container) runHooksInside(ctx context.Context, plan *oci.Plan) error {
	cell := hooks.Cell{
		Enter:   func() (kmod.Entry, error) { return c.rt.kmod.Enter(c.Cell) },
		Root:    rootfs.JoinedPath(c.Rootfs, c.Mounts),
		Process: plan.Process,
		Nofile:  c.rt.nofile,
	}
	return hooks.RunInCell(ctx, plan.Hooks.StartContainer, c.StateAs(state.Created, process.InsidePid(c.Pid)), cell)
}

func notCreated(s state.Status) error {
	if s == state.Stopped {
		return state.ErrNotRunning
	}
	return errors.New("it is started already")
}

// failHook ends the container's life: after a failed hook of start the spec
// goes on with its deletion (runtime.md, "Lifecycle", steps 7 and 9).
func (c *container) failHook(ctx context.Context, err error) error {
	return errors.Join(fmt.Errorf("start %q: %w", c.ID, err), c.delete(context.WithoutCancel(ctx)))
}

// failStart stops the container; what is left is for delete.
func (c *container) failStart(err error) error {
	err = fmt.Errorf("start %q: %w", c.ID, err)
	if kerr := c.killAll(); kerr != nil {
		return fmt.Errorf("%w (and stopping it: %w)", err, kerr)
	}
	return err
}
