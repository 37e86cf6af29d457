package runtime

// run: create and start in one command, and in the foreground the whole life.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// Run makes and starts a container. Detached it returns 0 at once; otherwise
// it passes signals on, waits, deletes the container and gives the exit
// status (128 + n for a signal).
func (r *Runtime) Run(ctx context.Context, o CreateOptions) (status int, err error) {
	c, master, err := r.create(ctx, o, o.Detach)
	if err != nil {
		return 1, err
	}
	defer c.Release()
	fail := func(err error) (int, error) {
		return 1, errors.Join(err, c.delete(context.WithoutCancel(ctx)))
	}
	proc := &process.Child{Pid: c.Pid}
	if o.Detach {
		if err := c.start(ctx); err != nil {
			return fail(err)
		}
		return 0, nil
	}
	forwardSignals(proc)
	var tty *console.Relay
	if master >= 0 {
		if tty, err = console.NewRelay(master); err != nil {
			return fail(err)
		}
	}
	if err = c.start(ctx); err == nil {
		c.Release()
		status, err = waitStatus(proc)
	}
	if tty != nil {
		tty.Finish()
	}
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

// forwarded are the signals that a foreground run passes on to the container.
// Each one costs the Go runtime several thread switches to set up, so these
// are those that people and service managers send.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT,
}

// forwardSignals passes signals on until this process ends: one that comes
// while the container is being deleted must not cut that off.
func forwardSignals(proc *process.Child) {
	ch := make(chan os.Signal, 64)
	signal.Notify(ch, forwarded...)
	go func() {
		for s := range ch {
			if sig, ok := s.(syscall.Signal); ok {
				proc.Signal(sig)
			}
		}
	}()
}

// waitStatus waits for a child and translates its status as shells do.
func waitStatus(proc *process.Child) (int, error) {
	ws, err := proc.Wait()
	if err != nil {
		return 1, err
	}
	return exitStatus(ws), nil
}

func exitStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// Wait blocks until a container's first process has ended and gives its exit
// status, where the kernel keeps it for others than the parent.
func (r *Runtime) Wait(ctx context.Context, id string) (int, error) {
	c, err := r.load(id)
	if err != nil {
		return 1, err
	}
	ws, err := r.kmod.Wait(ctx, c.Cell)
	if errors.Is(err, kmod.ErrUnsupported) {
		if status, ok, merr := c.monitored(ctx); ok || merr != nil {
			ws, err = status, merr
		}
	}
	if err != nil {
		return 1, fmt.Errorf("wait for %q: %w", id, err)
	}
	return exitStatus(syscall.WaitStatus(ws)), nil
}
