package runtime

// What is asked about cells as the kernel has them: those of containers, also
// stopped ones, and those of other state directories.

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/monitor"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Cell is a cell of this kernel.
type Cell struct {
	// Container is whose it is; empty where no container below this state
	// directory has it.
	Container string
	kmod.Info
}

// Cells lists the kernel's, the newest first. Without the kernel's interface
// there are none.
func (r *Runtime) Cells() ([]Cell, error) {
	infos, err := r.kmod.List()
	if errors.Is(err, kmod.ErrUnavailable) || err == nil && len(infos) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids, err := state.IDs(r.root)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	whose := make(map[string]string, len(ids))
	for _, id := range ids {
		whose[state.CellName(r.root, id)] = id
	}
	cells := make([]Cell, len(infos))
	for i, info := range infos {
		cells[i] = Cell{Container: whose[info.Name], Info: info}
	}
	return cells, nil
}

// CellStats is Stats of a cell, also of a stopped container's.
func (r *Runtime) CellStats(id kmod.ID) (kmod.Stats, error) { return r.kmod.Stats(id) }

// CellMembers is Members of a cell.
func (r *Runtime) CellMembers(id kmod.ID) ([]kmod.Member, error) { return r.kmod.Members(id) }

// CellProcesses is Processes of a cell.
func (r *Runtime) CellProcesses(id kmod.ID) ([]int, error) { return r.kmod.Processes(id) }

// CellClaims tells what the kernel keeps for a cell, or for the host (0). Where
// the kernel does not tell, it is what it was told for a container of this state
// directory, and ErrUnsupported for others.
func (r *Runtime) CellClaims(c Cell) (kmod.Claims, error) {
	claims, err := r.kmod.Claims(c.ID)
	if c.Container == "" || !errors.Is(err, kmod.ErrUnsupported) {
		return claims, err
	}
	of, err := r.load(c.Container)
	if err != nil {
		return claims, err
	}
	return of.planClaims()
}

// planClaims is what the kernel was told.
func (c *container) planClaims() (claims kmod.Claims, err error) {
	p, err := c.Plan()
	if err != nil {
		return claims, err
	}
	claims.Network, claims.Ports = p.Cell.Network, p.Cell.Ports
	for _, a := range p.Cell.Addresses {
		claims.Addresses = append(claims.Addresses, a.Prefix.Addr())
	}
	return claims, nil
}

// CellSockets lists the sockets on which a cell's members wait.
func (r *Runtime) CellSockets(id kmod.ID) ([]kmod.Socket, error) { return r.kmod.Sockets(id) }

// statusPatience is how long the exit status of a process that has ended may
// take to be known.
const statusPatience = time.Second

// ExitStatus tells how a stopped container's program ended, as Wait does; known
// is false where it has not, or where nobody knows any more.
func (r *Runtime) ExitStatus(ctx context.Context, id string) (status int, known bool, err error) {
	c, err := r.load(id)
	if err != nil {
		return 0, false, err
	}
	s, err := c.Status()
	if err != nil || s != state.Stopped || c.Phase == state.Creating {
		return 0, false, err
	}
	if same, err := c.sameBoot(); err != nil || !same {
		return 0, false, err
	}
	return c.exitStatus(ctx)
}

// exitStatus is ExitStatus of a container whose process has ended, and whose
// cell is there or was a moment ago.
func (c *container) exitStatus(ctx context.Context) (status int, known bool, err error) {
	ctx, stop := context.WithTimeout(ctx, statusPatience)
	defer stop()
	ws, err := c.rt.waitStatus(ctx, c)
	switch {
	case errors.Is(err, kmod.ErrUnsupported), errors.Is(err, kmod.ErrNotFound), errors.Is(err, monitor.ErrLost), errors.Is(err, context.DeadlineExceeded):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	return process.ShellStatus(syscall.WaitStatus(ws)), true, nil
}
