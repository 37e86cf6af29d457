package runtime

// exec: one more process in a running container.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Spawn runs a process in a running container's cell, and gives it once the
// program runs. One whose program can't be run is ended, and an error.
func (r *Runtime) Spawn(ctx context.Context, o ExecOptions) (*Process, error) {
	o.Detach = true
	x, err := r.exec(ctx, o)
	if err != nil {
		return nil, err
	}
	return r.handle(x.Child), nil
}

// Exec is Spawn for a command that stays with the process and gives its exit
// status (128 + n for signal n), or 0 when it detaches.
func (r *Runtime) Exec(ctx context.Context, o ExecOptions) (status int, err error) {
	x, err := r.exec(ctx, o)
	if err != nil {
		return launch.ExecFailed, err
	}
	if o.Detach {
		return 0, nil
	}
	if status, err = x.Attend(o.Signals); err != nil {
		return launch.ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	return status, nil
}

func (r *Runtime) exec(ctx context.Context, o ExecOptions) (*launch.Executed, error) {
	c, err := r.load(o.ID)
	if err != nil {
		return nil, err
	}
	s, err := c.Status()
	if err == nil {
		err = canExec(s)
	}
	if err != nil {
		return nil, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	caller := o.caller(r.nofile)
	if err := caller.Check(o.Process); err != nil {
		return nil, err
	}
	if len(o.Process.Args) == 0 {
		return nil, errors.New("exec: process.args is empty: name a program")
	}
	if err := r.protect(); err != nil {
		return nil, err
	}
	x, err := launch.Exec{Container: c.Container, Kmod: r.kmod, Process: o.Process, Caller: caller}.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	return x, nil
}

// canExec tells why a container takes no new process.
func canExec(s state.Status) error {
	switch s {
	case state.Running:
		return nil
	case state.Stopped:
		return state.ErrNotRunning
	case state.Paused:
		return ErrPaused
	default:
		return fmt.Errorf("container is %s, start it first", s)
	}
}
