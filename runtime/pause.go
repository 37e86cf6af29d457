package runtime

// pause and resume: all processes of a container stop and go on.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// Pause stops every process of a running container.
func (r *Runtime) Pause(id string) error {
	return r.setPaused(context.Background(), id, state.Running, true)
}

// Resume lets the processes of a paused container go on.
func (r *Runtime) Resume(id string) error {
	return r.setPaused(context.Background(), id, state.Paused, false)
}

// setPaused records "paused" before the first process stops and "not paused"
// after the last goes on: if it is cut off, a container counts as paused that
// may be running, and resume puts that right.
func (r *Runtime) setPaused(ctx context.Context, id string, from state.Status, pause bool) error {
	verb, act := "resume", r.kmod.Resume
	if pause {
		verb, act = "pause", r.kmod.Pause
	}
	c, err := r.loadLocked(ctx, id)
	if c != nil {
		defer c.Release()
	}
	if err != nil {
		return err
	}
	s, err := c.Status()
	if err != nil {
		return fmt.Errorf("%s %q: %w", verb, id, err)
	}
	if s == state.Stopped {
		return fmt.Errorf("%s %q: %w", verb, id, state.ErrNotRunning)
	} else if s != from {
		return fmt.Errorf("%s %q: container is %s, and must be %s", verb, id, s, from)
	}
	if pause {
		if err := c.savePaused(true); err != nil {
			return err
		}
		step.Done("pause recorded")
	}
	if err := act(c.Cell); err != nil {
		if pause {
			err = errors.Join(err, c.savePaused(false))
		}
		return fmt.Errorf("%s %q: %w", verb, id, err)
	}
	if pause {
		return nil
	}
	return c.savePaused(false)
}

func (c *container) savePaused(paused bool) error {
	c.Paused = paused
	return c.Save()
}
