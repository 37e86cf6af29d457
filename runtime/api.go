package runtime

// What callers know of the rooms inside.

import "github.com/netbsd-cells/runcell/runtime/internal/state"

// Status is a container's state as the spec names it.
type Status = state.Status

// The states.
const (
	Creating = state.Creating
	Created  = state.Created
	Running  = state.Running
	Paused   = state.Paused
	Stopped  = state.Stopped
)

// Errors that callers tell apart.
var (
	ErrNotExist   = state.ErrNotExist
	ErrExist      = state.ErrExist
	ErrNotRunning = state.ErrNotRunning
)

// ValidateID tells whether id can name a container.
func ValidateID(id string) error { return state.ValidateID(id) }
