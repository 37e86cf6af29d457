package runtime

// exec: one more process in a running container.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// ExecFailed is the exit status of an exec that did not run its program.
const ExecFailed = launch.ExecFailed

// PrepareExec is what Exec begins with, for a caller that reads something first
// that can be read once only: on Linux the program is started anew.
func (r *Runtime) PrepareExec() error { return exeseal.Protect() }

// Exec runs a process in the container's cell. Detached it returns once the
// program runs; otherwise it gives the program's exit status (128 + n for
// signal n).
func (r *Runtime) Exec(ctx context.Context, o ExecOptions) (status int, err error) {
	c, err := r.load(o.ID)
	if err != nil {
		return ExecFailed, err
	}
	s, err := c.Status()
	if err == nil {
		err = canExec(s)
	}
	if err != nil {
		return ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	if err := o.caller().Check(o.Process); err != nil {
		return ExecFailed, err
	}
	if len(o.Process.Args) == 0 {
		return ExecFailed, errors.New("exec: process.args is empty: name a program")
	}
	if err := exeseal.Protect(); err != nil {
		return ExecFailed, err
	}
	status, err = launch.Exec{
		Container: c.Container, Kmod: r.kmod, Process: o.Process, Caller: o.caller(), Signals: o.Signals,
	}.Run(ctx)
	if err != nil {
		return ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	return status, nil
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
