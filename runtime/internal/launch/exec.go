package launch

// exec: one more process in a running container.

import (
	"context"
	"errors"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/signals"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// ExecFailed is the exit status of an exec that did not run its program.
const ExecFailed = 255

// Exec is what one more process is made from.
type Exec struct {
	*state.Container // running
	Kmod             kmod.Client
	Process          *oci.Process
	Caller           Caller
	Signals          *signals.Catcher // go to the process; nil = none are caught
}

// execution is one exec's working state.
type execution struct {
	Exec
	entry kmod.Entry
	sock  int
	term  *console.Terminal
	proc  *process.Child
}

// Run starts the process, and waits for it unless the caller detaches. The
// status is the program's as shells have it, 0 when detached.
func (e Exec) Run(ctx context.Context) (status int, err error) {
	x := &execution{Exec: e}
	if x.sock, err = e.Caller.dial(); err != nil {
		return 0, err
	}
	defer sys.CloseFD(x.sock)
	step.Say("enter cell %d", e.Cell)
	if x.entry, err = e.Kmod.Enter(e.Cell); err != nil {
		return 0, err
	}
	defer x.entry.Close()
	if err := x.start(ctx); err != nil {
		return 0, err
	}
	if err := x.announce(); err != nil {
		return 0, errors.Join(err, x.proc.End())
	}
	if e.Caller.Detach {
		return 0, nil
	}
	return x.attend()
}

// attend stays with the process until it ends.
func (x *execution) attend() (status int, err error) {
	fg, err := Attend(x.proc, x.master())
	if err == nil {
		err = x.Signals.PassTo(fg.Signal)
	}
	if err == nil {
		status, err = fg.Wait()
	}
	if err != nil {
		err = errors.Join(err, x.proc.End())
	}
	return status, errors.Join(err, fg.Leave())
}

// start makes the process and takes its terminal.
func (x *execution) start(ctx context.Context) (err error) {
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	var tty console.Setup
	x.proc, err = process.StartMember(ctx, x.entry, rootfs.JoinedPath(x.Rootfs, x.Mounts), func(root *inroot.Dir) (*stage.Program, error) {
		return x.program(root, signals, &tty)
	})
	if err == nil {
		if err = exeseal.RefuseSelf(x.proc.Pid); err != nil {
			err = errors.Join(err, x.proc.End())
		}
	}
	switch {
	case !x.Process.Terminal:
		return err
	case err != nil:
		tty.Abandon()
		return err
	}
	x.term, err = tty.Collect()
	return err
}

// program is everything that the process does, from fork to exec.
func (x *execution) program(root *inroot.Dir, signals []stage.Step, tty *console.Setup) (*stage.Program, error) {
	p := *x.Process
	if err := process.LookExec(root, p.Args[0], p.Cwd, p.Env); err != nil {
		return nil, err
	}
	p.Rlimits = process.WithCallersNofile(p.Rlimits)
	p.Env = process.WithHome(p.Env, root, p.UID)
	member, err := process.MemberSteps(&p, x.entry)
	if err != nil {
		return nil, err
	}
	identity, err := process.IdentitySteps(&p, x.entry)
	if err != nil {
		return nil, err
	}
	steps := append(process.EnterSteps(root), stage.Sys("become session leader", unix.SYS_SETSID))
	steps = append(steps, signals...)
	if p.Terminal {
		ttySteps, err := tty.Prepare(root, p.UID)
		if err != nil {
			return nil, err
		}
		steps = append(steps, ttySteps...)
	}
	steps = append(steps, process.StdioSteps(&p)...)
	steps = append(steps, member...)
	return &stage.Program{
		Fork: x.entry.Fork, Steps: append(steps, identity...), Inherit: x.Caller.inherited(), ExitCode: ExecFailed,
	}, nil
}

// announce tells the caller about the running process.
func (x *execution) announce() error {
	if x.term != nil {
		if err := console.SetSize(x.term.Master, x.Process.ConsoleSize); err != nil {
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
	return x.Caller.tell(x.proc.Pid)
}

// master is the terminal's, if it is still ours (-1 = none).
func (x *execution) master() int {
	if x.term == nil {
		return -1
	}
	return x.term.Master
}
