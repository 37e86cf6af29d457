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
		return fmt.Errorf("enter cell: %w", err)
	}
	defer entry.Close()
	in, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _, _ = in.Close(), w.Close() }()
	said, err := newOutput()
	if err != nil {
		return err
	}
	defer said.close()
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	proc, err := process.StartMember(ctx, entry, c.Root, func(root *inroot.Dir) (*stage.Program, error) {
		steps := append(process.EnterSteps(root), signals...)
		steps = append(steps, process.DupTo("take state as input", int(in.Fd()), 0))
		return c.program(h, entry, append(steps, said.steps()...))
	})
	if err != nil {
		return err
	}
	_ = in.Close()
	said.started()
	if err := exeseal.RefuseSelf(proc.Pid); err != nil {
		return errors.Join(err, proc.End())
	}
	err = attend(ctx, h, proc, w, input)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return explained(err, said.err.r, said.head)
}

// output is what a hook in the cell prints: not the container's, whose streams
// belong to its program alone.
type output struct {
	out, err struct{ r, w *os.File }
	head     <-chan []byte // the beginning of its standard error
}

func newOutput() (*output, error) {
	o := &output{}
	for _, p := range []*struct{ r, w *os.File }{&o.out, &o.err} {
		var err error
		if p.r, p.w, err = os.Pipe(); err != nil {
			o.close()
			return nil, fmt.Errorf("make pipe: %w", err)
		}
	}
	return o, nil
}

// steps make the pipes the hook's standard output and standard error.
func (o *output) steps() []stage.Step {
	return []stage.Step{
		process.DupTo("let output be discarded", int(o.out.w.Fd()), 1),
		process.DupTo("let errors be read", int(o.err.w.Fd()), 2),
	}
}

// started reads, once the hook runs.
func (o *output) started() {
	_, _ = o.out.w.Close(), o.err.w.Close()
	readOutput(o.out.r)
	o.head = readOutput(o.err.r)
}

func (o *output) close() {
	for _, f := range []*os.File{o.out.r, o.out.w, o.err.r, o.err.w} {
		_ = f.Close() // nil and closed ones say so
	}
}

// program is everything that the hook's process does, from fork to exec.
func (c Cell) program(h oci.Hook, entry kmod.Entry, steps []stage.Step) (*stage.Program, error) {
	p := *c.Process
	p.Rlimits = process.WithNofile(p.Rlimits, c.Nofile)
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	exe, err := stage.Exec(h.Path, args, environment(h, &p))
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
