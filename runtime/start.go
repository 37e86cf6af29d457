package runtime

// start (runtime.md, "Start"): releases the process that create left waiting.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/fault"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// execPatience is how long the program may take from release to exec.
const execPatience = 30 * time.Second

// Start runs the container's program. A failing startContainer or (since
// spec 1.3) poststart hook stops and deletes the container.
func (r *Runtime) Start(ctx context.Context, id string) error {
	c, err := r.loadLocked(id)
	if c != nil {
		defer c.Release()
	}
	if err != nil {
		return err
	}
	return c.start(ctx)
}

func (c *container) start(ctx context.Context) error {
	if s := c.status(); s != state.Created {
		return fmt.Errorf("start %q: cannot start a container in the %s state: %w", c.ID, s, notCreated(s))
	}
	plan, err := c.Plan()
	if err != nil {
		return err
	}
	if err := c.runCellHooks(ctx, plan.Hooks.StartContainer); err != nil {
		return c.failHook(ctx, err)
	}
	fault.Point("startContainer hooks")
	if err := c.releaseChild(); err != nil {
		return c.failStart(err)
	}
	fault.Point("released")
	if err := sys.Remove(c.Path(state.FifoFile)); err != nil {
		return c.failStart(err)
	}
	fault.Point("fifo removed")
	if err := c.runHooks(ctx, plan.Hooks.Poststart, state.Running); err != nil {
		return c.failHook(ctx, err)
	}
	return nil
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

// releaseChild writes to the FIFO and waits until the child has exec'ed: then
// its end of the FIFO is closed.
func (c *container) releaseChild() error {
	fd, err := unix.Open(c.Path(state.FifoFile), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENXIO) {
		return errors.New("its process is running already, or gone")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", state.FifoFile, err)
	}
	defer sys.CloseFD(fd)
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		return fmt.Errorf("release process: %w", err)
	}
	if err := awaitHangup(fd, c.Path(state.FifoFile)); err != nil {
		return err
	}
	if err := process.ReadStageError(c.Path(state.ErrorFile), c.Steps); err != nil {
		return err
	}
	if exeseal.IsSelf(c.Pid) {
		return fmt.Errorf("exec: process.args[0] leads to the runcell binary: %w", unix.EACCES)
	}
	return nil
}
