package state

// What state a container is in: its record, and whether its process lives.

import (
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
}

// Alive tells whether the container's process is there and no zombie. A pid
// counts only together with its start time, so that a reused pid is never
// taken for the container.
func (c *Container) Alive() bool { return sys.Alive(c.Pid, c.PidStart) }

// Status works out the spec's status. It needs no lock.
func (c *Container) Status() Status {
	if c.Phase == Creating {
		if c.locked() {
			return Creating
		}
		return Stopped // its creator was killed
	}
	if !c.Alive() {
		return Stopped
	}
	if _, err := os.Lstat(c.Path(FifoFile)); err == nil {
		return Created
	}
	if c.Paused {
		return Paused
	}
	return Running
}

// State gives the state as it is now.
func (c *Container) State() *State { return c.StateAs(c.Status(), c.Pid) }

// StateAs gives the state with a status and a pid that the caller knows
// better: what the spec has hooks be told at their point.
func (c *Container) StateAs(status Status, pid int) *State {
	if status == Stopped {
		pid = 0
	}
	return &State{
		OCIVersion: c.OCIVersion, ID: c.ID, Status: status, Pid: pid, Bundle: c.Bundle, Rootfs: c.Rootfs,
		Created: c.Created, Owner: c.Owner, Annotations: c.Annotations,
	}
}
