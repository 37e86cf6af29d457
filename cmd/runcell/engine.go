package main

// The seam between the commands and the runtime.

import (
	"context"
	"fmt"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
)

// engine is what the commands need of runtime.Runtime. Tests put a fake in its
// place.
type engine interface {
	Create(context.Context, runtime.CreateOptions) (*runtime.Process, error)
	Run(context.Context, runtime.CreateOptions) (status int, err error)
	Start(ctx context.Context, id string) error
	Exec(context.Context, runtime.ExecOptions) (status int, err error)
	State(id string) (*runtime.State, error)
	List() ([]*runtime.State, error)
	Listing(context.Context) ([]runtime.Listed, error)
	Kill(id string, sig syscall.Signal, all bool) error
	Stop(ctx context.Context, id string, o runtime.StopOptions) (runtime.Ending, error)
	StopAsked(id string) (bool, error)
	Pause(id string) error
	Resume(id string) error
	Delete(ctx context.Context, id string, force bool) error
	Recover(ctx context.Context) (done []string, err error)
	Wait(ctx context.Context, id string) (status int, err error)
	Processes(id string) ([]int, error)
	Members(id string) ([]kmod.Member, error)
	Stats(id string) (kmod.Stats, error)
	Survey(count func(id string) bool) ([]runtime.Seen, error)
	Limit(id string, processes uint64) error
	Reserve(kmod.Reservations) error
	Plan(id string) (*oci.Plan, error)
	ExitStatus(ctx context.Context, id string) (status int, known bool, err error)
	Cells() ([]runtime.Cell, error)
	CellMembers(kmod.ID) ([]kmod.Member, error)
	CellProcesses(kmod.ID) ([]int, error)
	CellStats(kmod.ID) (kmod.Stats, error)
	CellClaims(runtime.Cell) (kmod.Claims, error)
	CellSockets(kmod.ID) ([]kmod.Socket, error)
	Features() (kmod.Features, error)
}

func openEngine(root, emulate string, strict bool) (engine, error) {
	client, err := openBackend(root, emulate)
	if err != nil {
		return nil, err
	}
	return runtime.New(runtime.Options{Root: root, Kmod: client, Strict: strict}), nil
}

// leastDescriptors is how many a command can be sure to do its work with, and
// to take it back.
const leastDescriptors = 64

// checkDescriptors refuses a limit that would end in the middle of something,
// where the error says little. The Go runtime has raised the soft limit.
func checkDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < leastDescriptors {
		return fmt.Errorf("the limit of open files is %d: runcell needs %d (ulimit -n)", limit.Cur, leastDescriptors)
	}
	return nil
}
