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
}

// Executed is the process that came of it.
type Executed struct {
	*process.Child
	master int // its terminal's, if that is still ours, -1 = none
}

// execution is one exec's working state.
type execution struct {
	Exec
	entry   kmod.Entry
	streams process.Streams
	sock    int
	tty     console.Setup     // until the process runs
	term    *console.Terminal // nil = none
	proc    *process.Child
}

// Run starts the process: its program runs, and the caller has its terminal.
func (e Exec) Run(ctx context.Context) (_ *Executed, err error) {
	x := &execution{Exec: e}
	if x.sock, err = e.Caller.dial(ctx); err != nil {
		return nil, err
	}
	defer sys.CloseFD(x.sock)
	if x.streams, err = e.Caller.openStreams(); err != nil {
		return nil, err
	}
	defer x.streams.Close()
	step.Say("enter cell %d", e.Cell)
	if x.entry, err = e.Kmod.Enter(e.Cell); err != nil {
		return nil, err
	}
	defer x.entry.Close()
	defer x.tty.Abandon()
	if err := x.start(ctx); err != nil {
		return nil, err
	}
	master, err := x.introduce(ctx)
	if err != nil {
		return nil, errors.Join(err, x.proc.End()) // of which nobody knows
	}
	return &Executed{x.proc, master}, nil
}

// Attend stays with the process until it ends, and gives its status as shells
// have it. Signals go to it; nil = none are caught.
func (x *Executed) Attend(caught *signals.Catcher) (status int, err error) {
	fg, err := Attend(x.Child, x.master)
	if err == nil {
		err = caught.PassTo(fg.Signal)
	}
	if err == nil {
		status, err = fg.Wait()
	}
	if err != nil {
		err = errors.Join(err, x.End())
	}
	return status, errors.Join(err, fg.Leave())
}

// start makes the process.
func (x *execution) start(ctx context.Context) (err error) {
	signals := process.DefaultSignals() // looks at /proc, which the cell may not have
	x.proc, err = process.StartMember(ctx, x.entry, rootfs.JoinedPath(x.Rootfs, x.Mounts), func(root *inroot.Dir) (*stage.Program, error) {
		return x.program(root, signals)
	})
	return err
}

// program is everything that the process does, from fork to exec.
func (x *execution) program(root *inroot.Dir, signals []stage.Step) (*stage.Program, error) {
	p := *x.Process
	if err := process.LookExec(root, p.Args[0], p.Cwd, p.Env); err != nil {
		return nil, err
	}
	p.Rlimits = process.WithNofile(p.Rlimits, x.Caller.Nofile)
	p.Env = process.WithHome(p.Env, root, p.UID)
	member, err := process.MemberSteps(&p, x.entry)
	if err != nil {
		return nil, err
	}
	identity, err := process.IdentitySteps(&p, x.entry, x.streams)
	if err != nil {
		return nil, err
	}
	steps := append(process.EnterSteps(root), stage.Sys("become session leader", unix.SYS_SETSID))
	steps = append(steps, signals...)
	steps = append(steps, x.streams.TakeSteps()...)
	if p.Terminal {
		ttySteps, err := x.tty.Prepare(root, p.UID)
		if err != nil {
			return nil, err
		}
		steps = append(append(steps, ttySteps...), console.SizeSteps(p.ConsoleSize)...)
	}
	steps = append(steps, x.streams.GiveSteps(&p)...)
	steps = append(steps, member...)
	return &stage.Program{
		Fork: x.entry.Fork, Steps: append(steps, identity.Steps()...), Inherit: x.Caller.inherited(), ExitCode: ExecFailed,
	}, nil
}

// introduce finds out that what runs is no program of ours, takes its terminal
// and tells the caller.
func (x *execution) introduce(ctx context.Context) (master int, err error) {
	if err := exeseal.RefuseSelf(x.proc.Pid); err != nil {
		return -1, err
	}
	if x.Process.Terminal {
		if x.term, err = x.tty.Collect(); err != nil {
			return -1, err
		}
	}
	return x.announce(ctx)
}

// announce tells the caller about the running process, and gives the terminal's
// master if it is still ours (-1 = none).
func (x *execution) announce(ctx context.Context) (master int, err error) {
	master = -1
	if x.term != nil {
		master = x.term.Master
		gone, err := x.Caller.handTerminal(x.sock, master, x.term.Name)
		if gone {
			master = -1
		}
		if err != nil {
			sys.CloseFD(master)
			return -1, err
		}
	}
	if err := x.Caller.tell(ctx, x.proc.Pid); err != nil {
		sys.CloseFD(master)
		return -1, err
	}
	return master, nil
}
