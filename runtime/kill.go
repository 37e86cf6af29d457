package runtime

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// deathPatience is how long killed processes may take to disappear.
const deathPatience = 10 * time.Second

// Kill sends a signal to a container's first process, or with all to every
// process of its cell (runtime.md, "Kill").
func (r *Runtime) Kill(id string, sig syscall.Signal, all bool) error {
	c, err := r.load(id)
	if err != nil {
		return err
	}
	status := c.status()
	if status == state.Stopped {
		return fmt.Errorf("kill %q: %w", id, state.ErrNotRunning)
	}
	if status == state.Creating {
		return fmt.Errorf("kill %q: it is still being created", id)
	}
	if status == state.Paused && sig == unix.SIGCONT {
		return fmt.Errorf("kill %q: SIGCONT: %w", id, ErrPaused)
	}
	if status == state.Created && !ignoredByDefault[sig] {
		// The user's program, which might handle the signal, is not there yet,
		// and the kernel shields a pid namespace's first process from signals
		// without a handler. On NetBSD the default action ends it.
		sig = unix.SIGKILL
	}
	if all {
		err = r.kmod.Kill(c.Cell, int(sig))
	} else {
		err = process.SignalProcess(c.Pid, c.PidStart, sig)
	}
	if errors.Is(err, process.ErrGone) {
		err = state.ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("kill %q: %w", id, err)
	}
	return nil
}

// killAll ends every process of the cell and waits until they are gone.
func (c *container) killAll() error {
	if c.Cell != 0 {
		if err := c.rt.kmod.Kill(c.Cell, int(unix.SIGKILL)); err != nil && !errors.Is(err, kmod.ErrNotFound) {
			return fmt.Errorf("kill cell: %w", err)
		}
	}
	if sys.Alive(c.Pid, c.PidStart) {
		if err := process.SignalProcess(c.Pid, c.PidStart, unix.SIGKILL); err != nil && !errors.Is(err, process.ErrGone) {
			return fmt.Errorf("kill process %d: %w", c.Pid, err)
		}
	}
	return waitDead(c.Pid, c.PidStart)
}

func waitDead(pid int, start uint64) error {
	deadline := time.Now().Add(deathPatience)
	for pause := 100 * time.Microsecond; sys.Alive(pid, start); pause = min(2*pause, 10*time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d is still there %v after SIGKILL", pid, deathPatience)
		}
		time.Sleep(pause)
	}
	return nil
}
