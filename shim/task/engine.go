package task

// The seam between the service and package runtime.

import (
	"context"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/stdio"
)

// Engine is what the service needs of package runtime. Tests put a fake in its
// place.
type Engine interface {
	// Create makes a container, whose first process waits to be started. It gets
	// the streams.
	Create(ctx context.Context, id, bundle string, s *stdio.Streams) (Process, error)
	Start(ctx context.Context, id string) error
	// Compile reads a process as config.json has it.
	Compile(spec []byte) (*oci.Process, error)
	// Exec runs a process in a container.
	Exec(ctx context.Context, id string, p *oci.Process, s *stdio.Streams) (Process, error)
	Kill(id string, sig syscall.Signal, all bool) error
	Pause(id string) error
	Resume(id string) error
	Delete(ctx context.Context, id string, force bool) error
	State(id string) (*runtime.State, error)
	Processes(id string) ([]int, error)
	Stats(id string) (kmod.Stats, error)
	Limit(id string, processes uint64) error
}

// Process is a process that the shim is the parent of.
type Process interface {
	Pid() int
	// Wait waits for its end; any number may, and again afterwards.
	Wait(context.Context) (syscall.WaitStatus, error)
	// Signal signals it, never another one of the same number.
	Signal(syscall.Signal) error
}
