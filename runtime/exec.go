package runtime

// exec: one more process in a running container.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// ExecFailed is the exit status of an exec that did not run its program.
const ExecFailed = 255

// Exec runs a process in the container's cell. Detached it returns once the
// program runs; otherwise it gives the program's exit status.
func (r *Runtime) Exec(ctx context.Context, o ExecOptions) (status int, err error) {
	c, err := r.load(o.ID)
	if err != nil {
		return ExecFailed, err
	}
	switch s := c.status(); s {
	case state.Running:
	case state.Stopped:
		return ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, state.ErrNotRunning)
	case state.Paused:
		return ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, ErrPaused)
	default:
		return ExecFailed, fmt.Errorf("exec in %q: container is %s, start it first", o.ID, s)
	}
	if err := console.Check(o.Process.Terminal, o.Detach, o.ConsoleSocket); err != nil {
		return ExecFailed, err
	}
	if err := checkStdio(); err != nil {
		return ExecFailed, err
	}
	if len(o.Process.Args) == 0 {
		return ExecFailed, errors.New("exec: process.args is empty: name a program")
	}
	if err := exeseal.Protect(); err != nil {
		return ExecFailed, err
	}
	x := &execution{c: c, o: o, sock: -1}
	status, err = x.run()
	if err != nil {
		return ExecFailed, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	return status, nil
}

// execution is one exec's working state.
type execution struct {
	c     *container
	o     ExecOptions
	entry kmod.Entry
	sock  int
	term  *console.Terminal
	proc  *process.Child
}

func (x *execution) run() (status int, err error) {
	if x.o.ConsoleSocket != "" {
		if x.sock, err = console.Dial(x.o.ConsoleSocket); err != nil {
			return 0, err
		}
		defer sys.CloseFD(x.sock)
	}
	if x.entry, err = x.c.rt.kmod.Enter(x.c.Cell); err != nil {
		return 0, err
	}
	defer x.entry.Close()
	if err := process.SealDescriptors(3 + x.o.PreserveFDs); err != nil {
		return 0, err
	}
	if err := passDescriptors(x.o.PreserveFDs); err != nil {
		return 0, err
	}
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	if err := process.OnThread(func() error { return x.start(signals) }); err != nil {
		return 0, err
	}
	if err := x.announce(); err != nil {
		return 0, errors.Join(err, x.proc.End())
	}
	if x.o.Detach {
		return 0, nil
	}
	return x.wait()
}

// start forks from a thread that has joined the cell.
func (x *execution) start(signals []stage.Step) error {
	root, err := process.EnterCell(x.entry, rootfs.CellRoot(x.c.Rootfs, x.c.Mounts))
	if err != nil {
		return err
	}
	defer root.Close()
	p := *x.o.Process
	if err := process.LookExec(root, p.Args[0], p.Cwd, p.Env); err != nil {
		return err
	}
	p.Rlimits = process.WithCallersNofile(p.Rlimits)
	steps := append(process.EnterSteps(root), stage.Sys("become session leader", unix.SYS_SETSID))
	steps = append(steps, signals...)
	var tty console.Setup
	if p.Terminal {
		ttySteps, err := tty.Prepare(root, p.UID)
		if err != nil {
			return err
		}
		steps = append(steps, ttySteps...)
	}
	member, err := process.MemberSteps(&p, x.entry)
	if err != nil {
		return err
	}
	identity, err := process.IdentitySteps(&p, x.entry)
	if err != nil {
		return err
	}
	steps = append(steps, member...)
	x.proc, err = process.StartProgram(&stage.Program{Fork: x.entry.Fork, Steps: append(steps, identity...), ExitCode: ExecFailed})
	if !p.Terminal {
		return err
	}
	if err != nil {
		tty.Abandon()
		return err
	}
	x.term, err = tty.Collect()
	return err
}

// announce tells the caller about the running process.
func (x *execution) announce() error {
	if x.term != nil {
		if err := console.SetSize(x.term.Master, x.o.Process.ConsoleSize); err != nil {
			return err
		}
	}
	if x.sock >= 0 {
		if err := console.Send(x.sock, x.term.Master, x.term.Name); err != nil {
			return err
		}
		sys.CloseFD(x.term.Master)
		x.term = nil
	}
	if x.o.PidfdSocket != "" {
		if err := console.SendPidfd(x.o.PidfdSocket, x.proc.Pid); err != nil {
			return err
		}
	}
	if x.o.PidFile != "" {
		return writePidFile(x.o.PidFile, x.proc.Pid)
	}
	return nil
}

func (x *execution) wait() (status int, err error) {
	forwardSignals(x.proc)
	if x.term == nil {
		return waitStatus(x.proc)
	}
	tty, err := console.NewRelay(x.term.Master)
	if err != nil {
		return 0, err
	}
	status, err = waitStatus(x.proc)
	tty.Finish()
	return status, err
}
