package hooks

// Hooks inside the cell: the child is made as the container's own processes
// are, and not by os/exec, which knows nothing of cells.

import (
	"context"
	"errors"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Cell is where hooks run that belong inside, and as whom.
type Cell struct {
	Enter   func() (kmod.Entry, error) // for each hook anew
	Root    string                     // of the cell, as a thread sees it that has joined
	Nofile  *oci.Rlimit                // where the process has none; nil = our caller's
	Process *oci.Process               // the container's: user, groups, limits, directory are the hook's too
}

// RunInCell is Run inside of a cell and under its policy, as its processes are.
func RunInCell(ctx context.Context, hooks []oci.Hook, s *state.State, cell Cell) error {
	return each(hooks, s, func(h oci.Hook, input []byte) error { return cell.run(ctx, h, input) })
}

// run makes the hook's process as exec makes one.
func (c Cell) run(ctx context.Context, h oci.Hook, input []byte) error {
	entry, err := c.Enter()
	if err != nil {
		return err
	}
	defer entry.Close()
	out, err := newOutput()
	if err != nil {
		return err
	}
	defer out.close()
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	return run(ctx, h, input, func(in *os.File, said *output) (*process.Child, error) {
		proc, err := process.StartMember(ctx, entry, c.Root, func(root *inroot.Dir) (*stage.Program, error) {
			steps := append(process.EnterSteps(root), signals...)
			steps = append(steps, process.DupTo("take state as input", int(in.Fd()), 0), out.step(1), said.step(2))
			return c.program(h, entry, steps)
		})
		if err != nil {
			return nil, err
		}
		out.started()
		if err := exeseal.RefuseSelf(proc.Pid); err != nil {
			return nil, errors.Join(err, proc.End())
		}
		return proc, nil
	})
}

// program is everything that the hook's process does, from fork to exec.
func (c Cell) program(h oci.Hook, entry kmod.Entry, steps []stage.Step) (*stage.Program, error) {
	p := *c.Process
	p.Rlimits = process.WithNofile(p.Rlimits, c.Nofile)
	exe, err := stage.Exec(h.Path, arguments(h), environment(h, &p))
	if err != nil {
		return nil, err
	}
	member, err := process.MemberSteps(&p, entry)
	if err != nil {
		return nil, err
	}
	identity, err := process.HookSteps(&p, entry, exe)
	if err != nil {
		return nil, err
	}
	steps = append(steps, ownGroup())
	steps = append(steps, member...)
	return &stage.Program{Fork: entry.Fork, Steps: append(steps, identity.Steps()...), Inherit: 3, ExitCode: 255}, nil
}

// environment of a hook in the cell: one that names none has the process's.
// Ours is the host's, and nobody's inside.
func environment(h oci.Hook, p *oci.Process) []string {
	if len(h.Env) > 0 {
		return h.Env
	}
	return p.Env
}
