package runtime

// kill (runtime.md, "Kill"): a signal for the container.

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/signals"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"golang.org/x/sys/unix"
)

// Kill sends a signal to a container's first process, or with all to every
// process of its cell (runtime.md, "Kill"). The error wraps ErrNotRunning when
// it has stopped, unless all are meant, and ErrPaused for a SIGCONT to a paused one: Resume is for that.
func (r *Runtime) Kill(id string, sig syscall.Signal, all bool) error {
	c, err := r.load(id)
	if err != nil {
		return err
	}
	return r.kill(c, sig, all)
}

// kill is Kill for a container that is loaded: whoever has its name by now, no
// other one gets the signal.
func (r *Runtime) kill(c *container, sig syscall.Signal, all bool) error {
	status, err := c.alive("kill")
	if all && errors.Is(err, state.ErrNotRunning) {
		// What the first process has left is the cell's still; often nobody.
		_, err := cellOf(c, "kill", func(cell kmod.ID) (struct{}, error) { return struct{}{}, r.kmod.Kill(cell, int(sig)) })
		return err
	}
	if err != nil {
		return err
	}
	if status == state.Paused && sig == unix.SIGCONT {
		return fmt.Errorf("kill %q: SIGCONT: %w", c.ID, ErrPaused)
	}
	if status == state.Created && signals.Ends(sig) {
		// The user's program, which might handle the signal, is not there yet,
		// and the kernel shields a pid namespace's first process from signals
		// without a handler. Any other one has its default effect there: none on
		// Linux, as with the peers.
		sig = unix.SIGKILL
	}
	step.Say("send %s to process %d (all of cell %d: %v)", signals.Name(sig), c.Pid, c.Cell, all)
	if all {
		err = r.kmod.Kill(c.Cell, int(sig))
	} else {
		err = process.SignalProcess(c.Pid, c.PidStart, sig)
	}
	if errors.Is(err, process.ErrGone) {
		err = state.ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("kill %q: %w", c.ID, err)
	}
	return nil
}
