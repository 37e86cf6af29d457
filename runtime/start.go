package runtime

// start (runtime.md, "Start"): releases the process that create left waiting.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// execPatience is how long the program may take from release to exec.
const execPatience = 30 * time.Second

// Start runs the container's program. A failing startContainer or (since
// spec 1.3) poststart hook stops and deletes the container.
func (r *Runtime) Start(ctx context.Context, id string) error {
	c, err := r.loadLocked(id)
	if c != nil {
		defer c.release()
	}
	if err != nil {
		return err
	}
	return c.start(ctx)
}

func (c *container) start(ctx context.Context) error {
	if s := c.status(); s != Created {
		return fmt.Errorf("start %q: cannot start a container in the %s state: %w", c.ID, s, notCreated(s))
	}
	plan, err := c.plan()
	if err != nil {
		return err
	}
	if err := c.runCellHooks(ctx, plan.Hooks.StartContainer); err != nil {
		return c.failHook(ctx, err)
	}
	fault("startContainer hooks")
	if err := c.releaseChild(); err != nil {
		return c.failStart(err)
	}
	fault("released")
	if err := removeFile(c.path(fifoFile)); err != nil {
		return c.failStart(err)
	}
	fault("fifo removed")
	if err := c.runHooks(ctx, plan.Hooks.Poststart, Running); err != nil {
		return c.failHook(ctx, err)
	}
	return nil
}

func notCreated(s Status) error {
	if s == Stopped {
		return ErrNotRunning
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
	fd, err := unix.Open(c.path(fifoFile), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENXIO) {
		return errors.New("its process is running already, or gone")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", fifoFile, err)
	}
	defer closeFD(fd)
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		return fmt.Errorf("release process: %w", err)
	}
	if err := awaitHangup(fd, c.path(fifoFile)); err != nil {
		return err
	}
	if err := readStageError(c.path(errorFile), c.Steps); err != nil {
		return err
	}
	if isSelf(c.Pid) {
		return fmt.Errorf("exec: process.args[0] leads to the runcell binary: %w", unix.EACCES)
	}
	return nil
}
