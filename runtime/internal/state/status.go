package state

// What state a container is in: its record, and whether its process lives.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// Status is a container's state as the spec names it (runtime.md, "State").
type Status string

// The states. Paused is runc's word; the spec leaves room for it.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)

// State is what `runcell state` prints (runtime-spec, runtime.md "State",
// plus the fields runc's callers read).
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Status      Status            `json:"status"`
	Pid         int               `json:"pid"` // 0 when stopped
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       string            `json:"owner"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Restarts is how often the caller says that it has started the program again.
	Restarts int `json:"-"`
}

// Alive tells whether the container's process is there and no zombie. A pid
// counts only together with its start time, so that a reused pid is never
// taken for the container.
func (c *Container) Alive() (bool, error) { return sys.Alive(c.Pid, c.PidStart) }

// Status works out the spec's status. It needs no lock. What can't be looked at
// gives an error and never a status: a guess would be acted on.
func (c *Container) Status() (Status, error) {
	s, err := c.status()
	if err != nil {
		return "", fmt.Errorf("find status of %q: %w", c.ID, err)
	}
	return s, nil
}

func (c *Container) status() (Status, error) {
	if c.Phase == Creating {
		locked, err := c.locked()
		if locked {
			return Creating, err
		}
		return Stopped, err // its creator was killed
	}
	alive, err := c.Alive()
	if !alive || err != nil {
		return Stopped, err
	}
	switch _, err := os.Lstat(c.Path(FifoFile)); {
	case err == nil:
		return Created, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case c.Paused:
		return Paused, nil
	}
	return Running, nil
}

// State gives the state as it is now.
func (c *Container) State() (*State, error) {
	s, err := c.Status()
	if err != nil {
		return nil, err
	}
	return c.StateAs(s, c.Pid), nil
}

// StateAs gives the state with a status and a pid that the caller knows
// better: what the spec has hooks be told at their point.
func (c *Container) StateAs(status Status, pid int) *State {
	if status == Stopped {
		pid = 0
	}
	return &State{
		OCIVersion: c.OCIVersion, ID: c.ID, Status: status, Pid: pid, Bundle: c.Bundle, Rootfs: c.Rootfs,
		Created: c.Created, Owner: c.Owner, Annotations: c.Annotations, Restarts: c.Restarts,
	}
}
