package hooks

// Hooks inside the cell: the child is made as the container's own processes
// are, and not by os/exec, which knows nothing of cells.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// Cell is where hooks run that belong inside, and as whom.
type Cell struct {
	Enter   func() (kmod.Entry, error) // for each hook anew
	Root    string                     // of the cell, as a thread sees it that has joined
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
		return fmt.Errorf("enter cell: %w", err)
	}
	defer entry.Close()
	in, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _, _ = in.Close(), w.Close() }()
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	proc, err := process.StartMember(entry, c.Root, func(root *inroot.Dir) (*stage.Program, error) {
		steps := append(process.EnterSteps(root), signals...)
		return c.program(h, entry, append(steps, process.DupTo("take state as input", int(in.Fd()), 0)))
	})
	if err != nil {
		return err
	}
	_ = in.Close()
	if err := exeseal.RefuseSelf(proc.Pid); err != nil {
		return errors.Join(err, proc.End())
	}
	return attend(ctx, h, proc, w, input)
}

// program is everything that the hook's process does, from fork to exec.
func (c Cell) program(h oci.Hook, entry kmod.Entry, steps []stage.Step) (*stage.Program, error) {
	p := *c.Process
	p.Rlimits = process.WithCallersNofile(p.Rlimits)
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	exe, err := stage.Exec(h.Path, args, h.Env)
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
	steps = append(steps, stage.Sys("own process group", unix.SYS_SETPGID, 0, 0))
	steps = append(steps, member...)
	return &stage.Program{Fork: entry.Fork, Steps: append(steps, identity...), Inherit: 3, ExitCode: 255}, nil
}

// attend gives a hook in the cell its input, waits for it, and kills its group
// at the timeout, also if it does not read.
func attend(ctx context.Context, h oci.Hook, proc *process.Child, w *os.File, input []byte) error {
	ctx, cancel := withTimeout(ctx, h)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		proc.SignalGroup(syscall.SIGKILL)
		_ = w.SetWriteDeadline(time.Now()) // somebody else may hold the other end
	})
	_, werr := w.Write(input)
	_ = w.Close()
	status, err := proc.ExitStatus()
	switch {
	case !stop():
		return whyEnded(ctx, h)
	case err != nil:
		return err
	case status != 0:
		return fmt.Errorf("exit status %d", status)
	case werr != nil && !errors.Is(werr, unix.EPIPE):
		return fmt.Errorf("write state: %w", werr)
	}
	return nil
}
