package runtime

// run: create and start in one command, and in the foreground the whole life.

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/monitor"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// Run makes and starts a container. Detached it returns 0 at once; otherwise
// it passes signals on, waits, deletes the container and gives the exit
// status (128 + n for a signal).
func (r *Runtime) Run(ctx context.Context, o CreateOptions) (status int, err error) {
	o.run = true
	c, master, err := r.create(ctx, o)
	if err != nil {
		return 1, err
	}
	defer c.Release()
	if o.Detach {
		if err := c.start(ctx, nil); err != nil {
			return 1, errors.Join(err, c.delete(context.WithoutCancel(ctx)))
		}
		c.Release()
		c.tellAtOnce(ctx, o.AtOnce)
		return 0, nil
	}
	status, err = c.foreground(ctx, master, o.Signals)
	if err == nil && o.Keep {
		return status, nil
	}
	return status, errors.Join(err, c.deleteAfterRun(context.WithoutCancel(ctx)))
}

// atOnce is how long a detached program is watched.
const atOnce = 50 * time.Millisecond

// tellAtOnce tells how a detached program has ended that does so at once, as one
// that misses a file does. It runs on if that is not known.
func (c *container) tellAtOnce(ctx context.Context, tell func(status int)) {
	if tell == nil {
		return
	}
	step.Say("see for %v whether process %d ends", atOnce, c.Pid)
	short, stop := context.WithTimeout(ctx, atOnce)
	defer stop()
	if ws, err := c.rt.waitStatus(short, c); err == nil {
		tell(process.ShellStatus(syscall.WaitStatus(ws)))
	}
}

// foreground starts a created container and stays with its program, without the
// lock.
func (c *container) foreground(ctx context.Context, master int, caught *Signals) (status int, err error) {
	fg, err := launch.Attend(c.child, master)
	if err != nil {
		c.Release()
		return 1, err
	}
	err = c.start(ctx, func() error { return caught.PassTo(fg.Signal) })
	c.Release()
	if err == nil {
		status, err = fg.Wait()
	}
	if err = errors.Join(err, fg.Leave()); err != nil {
		status = 1
	}
	return status, err
}

// deleteAfterRun deletes a container whose process this command has reaped, or
// could not run, unless somebody else has done so meanwhile.
func (c *container) deleteAfterRun(ctx context.Context) error {
	if c.deleted {
		return nil
	}
	err := c.Acquire(ctx)
	if errors.Is(err, state.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.delete(ctx)
}

// errCellGone is the error of a question that only a container's cell answers.
var errCellGone = errors.New("its cell is gone, and with it the exit status")

// Wait blocks until a container's first process has ended and gives its exit
// status, where the kernel keeps it for others than the parent.
func (r *Runtime) Wait(ctx context.Context, id string) (int, error) {
	c, err := r.load(id)
	if err != nil {
		return 1, err
	}
	if same, err := c.sameBoot(); err != nil || !same {
		return 1, fmt.Errorf("wait for %q: %w", id, errors.Join(err, errCellGone))
	}
	step.Say("wait for the end of process %d", c.Pid)
	ws, err := r.waitStatus(ctx, c)
	if err != nil {
		return 1, fmt.Errorf("wait for %q: %w", id, err)
	}
	return process.ShellStatus(syscall.WaitStatus(ws)), nil
}

// waitStatus waits for the wait(2) status of a container's first process: the
// kernel's, or that of the monitor where the kernel keeps none.
func (r *Runtime) waitStatus(ctx context.Context, c *container) (uint32, error) {
	ws, err := r.kmod.Wait(ctx, c.Cell)
	if errors.Is(err, kmod.ErrUnsupported) {
		if status, known, merr := monitor.Status(ctx, c.Container); known || merr != nil {
			ws, err = status, merr
		}
	}
	return ws, err
}
