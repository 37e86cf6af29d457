package hooks

// Hooks inside the cell: the child is made as the container's own processes
// are, and not by os/exec, which knows nothing of cells.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// Cell is where hooks run that belong inside.
type Cell struct {
	Enter func() (kmod.Entry, error) // for each hook anew
	Root  string                     // of the cell, as a thread sees it that has joined
}

// RunInCell is Run inside of a cell and under its policy, as its processes are.
func RunInCell(ctx context.Context, hooks []oci.Hook, s *state.State, cell Cell) error {
	return each(hooks, s, func(h oci.Hook, input []byte) error {
		entry, err := cell.Enter()
		if err != nil {
			return fmt.Errorf("enter cell: %w", err)
		}
		defer entry.Close()
		return process.OnThread(func() error { return runAsMember(ctx, h, input, entry, cell.Root) })
	})
}

// runAsMember forks from a thread that has joined the cell.
func runAsMember(ctx context.Context, h oci.Hook, input []byte, entry kmod.Entry, cellRoot string) error {
	root, err := process.EnterCell(entry, cellRoot)
	if err != nil {
		return err
	}
	defer root.Close()
	in, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _, _ = in.Close(), w.Close() }()
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	exe, err := stage.Exec(h.Path, args, h.Env)
	if err != nil {
		return err
	}
	steps := append(process.EnterSteps(root), entry.Steps...)
	steps = append(steps, stage.Sys("own process group", unix.SYS_SETPGID, 0, 0), process.DupTo("take state as input", int(in.Fd()), 0))
	steps = append(steps, entry.Seal...)
	prog := &stage.Program{Fork: entry.Fork, Steps: append(steps, exe), ExitCode: 255}
	proc, err := process.StartProgram(prog)
	if err != nil {
		return err
	}
	_ = in.Close()
	return attend(ctx, h, proc, w, input)
}

// attend gives a hook in the cell its input, waits for it, and kills its group
// at the timeout, also if it does not read.
func attend(ctx context.Context, h oci.Hook, proc *process.Child, w *os.File, input []byte) error {
	ctx, cancel := withTimeout(ctx, h)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { proc.SignalGroup(syscall.SIGKILL) })
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
