package runtime

// run: create and start in one command, and in the foreground the whole life.

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/monitor"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Run makes and starts a container. Detached it returns 0 at once; otherwise
// it passes signals on, waits, deletes the container and gives the exit
// status (128 + n for a signal).
func (r *Runtime) Run(ctx context.Context, o CreateOptions) (status int, err error) {
	c, master, err := r.create(ctx, o)
	if err != nil {
		return 1, err
	}
	defer c.Release()
	fail := func(err error) (int, error) {
		return 1, errors.Join(err, c.delete(context.WithoutCancel(ctx)))
	}
	if o.Detach {
		if err := c.start(ctx); err != nil {
			return fail(err)
		}
		return 0, nil
	}
	fg, err := launch.Attend(&process.Child{Pid: c.Pid}, master)
	if err != nil {
		return fail(err)
	}
	if err = c.start(ctx); err == nil {
		c.Release()
		status, err = fg.Wait()
	}
	fg.Leave()
	if err != nil {
		return fail(err)
	}
	if o.Keep {
		return status, nil
	}
	return status, c.deleteAfterRun(context.WithoutCancel(ctx))
}

// deleteAfterRun deletes a container whose process this command has reaped,
// unless somebody else has done so meanwhile.
func (c *container) deleteAfterRun(ctx context.Context) error {
	err := c.Acquire()
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
	ws, err := r.kmod.Wait(ctx, c.Cell)
	if errors.Is(err, kmod.ErrUnsupported) {
		if status, known, merr := monitor.Status(ctx, c.Container); known || merr != nil {
			ws, err = status, merr
		}
	}
	if err != nil {
		return 1, fmt.Errorf("wait for %q: %w", id, err)
	}
	return process.ShellStatus(syscall.WaitStatus(ws)), nil
}
