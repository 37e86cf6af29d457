package launch

// The middle of create: the child is forked early and waits while the parent
// builds the root around it.

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/hooks"
	"github.com/netbsd-cells/runcell/runtime/internal/monitor"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"github.com/netbsd-cells/runcell/runtime/internal/undo"
	"golang.org/x/sys/unix"
)

// initExitCode is the status of a first process whose exec failed.
const initExitCode = 127

// Launch is what a container's first process is made from.
type Launch struct {
	*state.Container // locked; its cell is there
	Kmod             kmod.Client
	Plan             *oci.Plan
	Root             *rootfs.Root
	Undo             *undo.Stack
	Caller           Caller
	Released         bool // by the command that has made it, which keeps the lock until then
	Monitor          bool // let a process stay that keeps the exit status, if the kernel does not

	streams process.Streams
	child   *process.Child
	entry   kmod.Entry
	link    *process.Link
	prog    *stage.Program
	home    process.Home // of the process's user, once the root is complete
	fifo    int
	errFile int
	sock    int // the caller's console socket, -1 = none
	// master is the terminal's for a foreground run, -1 = none; terminal its
	// name in the container.
	master   int
	terminal string
}

// Create forks the first process and brings it and its container to the created
// state. It gives that process and the terminal's master, -1 where there is none or the caller
// has got it through the console socket.
func (l *Launch) Create(ctx context.Context) (child *process.Child, master int, err error) {
	l.master, l.child = -1, &process.Child{}
	if l.sock, err = l.Caller.dial(ctx); err != nil {
		return nil, -1, err
	}
	defer func() { sys.CloseFD(l.sock) }()
	if l.entry, err = l.Kmod.Enter(l.Cell); err != nil {
		return nil, -1, err
	}
	defer l.entry.Close()
	if l.link, err = process.NewLink(); err != nil {
		return nil, -1, err
	}
	defer l.link.Close()
	if l.streams, err = l.Caller.openStreams(); err != nil {
		return nil, -1, err
	}
	defer l.streams.Close()
	if err := l.openFiles(); err != nil {
		return nil, -1, err
	}
	defer l.closeFiles()
	// Whoever waits for the child below does not wait for one that was ended.
	stop := context.AfterFunc(ctx, l.child.Kill)
	defer stop()
	if err := process.OnThread(func() error { return l.onThread(ctx) }); err != nil {
		return nil, -1, err
	}
	if err := l.finish(ctx); err != nil {
		sys.CloseFD(l.master) // unless it is somebody else's by now
		return nil, -1, err
	}
	return l.child, l.master, nil
}

// openFiles makes the FIFO that `start` writes to and the one for the name of
// a step that fails after that: the program's limits count for a file there, and
// RLIMIT_FSIZE may be 0. Opened for reading and writing, they never block and never
// end.
func (l *Launch) openFiles() (err error) {
	l.fifo, l.errFile = -1, -1
	if l.fifo, err = makeFIFO(l.Path(state.FifoFile)); err != nil {
		return err
	}
	if l.errFile, err = makeFIFO(l.Path(state.ErrorFile)); err != nil {
		l.closeFiles()
	}
	return err
}

func makeFIFO(path string) (fd int, err error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return -1, fmt.Errorf("make %s: %w", filepath.Base(path), err)
	}
	if fd, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	return fd, nil
}

func (l *Launch) closeFiles() {
	sys.CloseFD(l.fifo)
	sys.CloseFD(l.errFile)
	l.fifo, l.errFile = -1, -1
}

// onThread is what happens on the thread that belongs to the cell's namespaces.
func (l *Launch) onThread(ctx context.Context) error {
	if err := l.entry.Thread(); err != nil {
		return fmt.Errorf("take a thread to the cell: %w", err)
	}
	if b := l.Root.Builder; b != nil {
		if err := b.Attach(); err != nil {
			return err
		}
	}
	if err := l.fork(ctx); err != nil {
		return err
	}
	procFD, err := l.link.Receive(l.prog.Names())
	if err != nil {
		return fmt.Errorf("set up the container's process: %w", err)
	}
	if b := l.Root.Builder; b != nil {
		if err := b.Populate(procFD); err != nil {
			return err
		}
	}
	l.Undo.Did("mounts", nil)
	if err := l.runHooks(ctx); err != nil {
		return err
	}
	return l.enterRoot()
}

// fork makes the container's first process and records it, before it is
// allowed to do anything.
func (l *Launch) fork(ctx context.Context) (err error) {
	if l.prog, err = l.program(); err != nil {
		return err
	}
	step.Program(l.prog.Names())
	pid, err := l.prog.Start()
	if err != nil {
		return err
	}
	l.link.CloseChild()
	l.child.Born(pid)
	l.Undo.Did("fork", l.child.End)
	if err := context.Cause(ctx); err != nil {
		return err // a signal that came before found nobody
	}
	l.Pid = pid
	l.SetSteps(l.prog.Names())
	// One that is dead already says so by the link.
	if l.PidStart, _, err = sys.StartTime(pid); err != nil {
		return err
	}
	if err := l.Kmod.Entered(l.Cell, pid); err != nil {
		return fmt.Errorf("register process: %w", err)
	}
	l.Undo.Did("register process", nil)
	return nil
}

// program is everything that the child does, from fork to exec.
func (l *Launch) program() (*stage.Program, error) {
	p := *l.Plan.Process
	p.Rlimits = process.WithNofile(p.Rlimits, l.Caller.Nofile)
	p.Env = slices.Concat(p.Env, l.Caller.Sockets.env())
	// The child lives on as "created" without an exec, and the container's hooks
	// can see it: it lets go of each descriptor after the last use. That it has
	// not the lock, and not the parent's end of the link by whose closing it
	// learns that the parent was killed, is the program's doing.
	steps := make([]stage.Step, 0, len(l.entry.Seal)+64)
	steps = append(steps, stage.Sys("become session leader", unix.SYS_SETSID))
	steps = append(steps, process.DefaultSignals()...)
	steps = append(steps, l.streams.TakeSteps()...)
	ready, err := l.Root.ReadySteps(l.link, len(steps))
	if err != nil {
		return nil, err
	}
	steps = append(steps, ready...)
	steps = append(steps, l.Root.GoSteps(l.link, &l.home)...)
	if p.Terminal {
		steps = append(steps, l.Root.TerminalSteps()...)
	}
	steps = append(steps, l.streams.GiveSteps(&p)...)
	member, err := process.MemberSteps(&p, l.entry)
	if err != nil {
		return nil, err
	}
	steps = append(steps, member...)
	identity, err := process.IdentitySteps(&p, l.entry, l.streams, l.lateEnv(&p)...)
	if err != nil {
		return nil, err
	}
	// Hooks in the cell see who waits for start: on Linux they could stop it, and
	// do with it whatever it can. On NetBSD what it is then is enough.
	later := identity.Program
	if len(l.entry.Seal) > 0 {
		steps = append(steps, identity.Seal...)
	} else {
		later = identity.Steps()
	}
	steps = append(steps, l.Root.CreatedStep(l.link, len(steps)))
	steps = append(steps, l.link.LeaveStep("let go of the parent"), stage.Await("wait for start", l.fifo))
	return &stage.Program{
		Fork: l.entry.Fork, Steps: append(steps, later...), Inherit: l.Caller.inherited(),
		Report: [2]int{l.errFile, l.link.Child}, Tell: true, ExitCode: initExitCode,
	}, nil
}

// lateEnv is what the environment gets when the root is complete, whose list of
// users tells it: HOME, unless the configuration does.
func (l *Launch) lateEnv(p *oci.Process) []*byte {
	var none bool
	if p.Env, none = process.WithoutHome(p.Env); !none {
		return nil
	}
	return []*byte{l.home.Addr()}
}

// runHooks runs those that come when the environment is there and the root is
// not yet entered.
func (l *Launch) runHooks(ctx context.Context) error {
	h := l.Plan.Hooks
	if len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) == 0 {
		return nil
	}
	l.Undo.Did("hooks begin", func() error {
		hooks.RunPoststop(context.WithoutCancel(ctx), h.Poststop, l.StateAs(state.Stopped, 0))
		return nil
	})
	// Hooks ask for the state. Otherwise it is enough that the cell, which is
	// found by its name, knows the process.
	if err := l.Save(); err != nil {
		return err
	}
	l.Undo.Did("record process", nil)
	// These two see the host's namespaces, so they do not run on this thread.
	err := process.OnThread(func() error {
		outside := l.StateAs(state.Creating, l.Pid)
		if err := hooks.Run(ctx, h.Prestart, outside); err != nil {
			return err
		}
		return hooks.Run(ctx, h.CreateRuntime, outside)
	})
	if err != nil {
		return err
	}
	if err := l.runHooksBetween(ctx); err != nil {
		return err
	}
	if err := l.refuseStrangers(ctx); err != nil {
		return err
	}
	l.Undo.Did("hooks", nil)
	return nil
}

// runHooksBetween runs those that are in the container's namespaces, with the
// host's files still in view: from this thread.
func (l *Launch) runHooksBetween(ctx context.Context) error {
	list := l.Plan.Hooks.CreateContainer
	if len(list) > 0 && process.JoinFirst != nil {
		if err := process.JoinFirst(l.Pid); err != nil {
			return fmt.Errorf("run %s: %w", list[0].Field, err)
		}
	}
	return hooks.Run(ctx, list, l.StateAs(state.Creating, process.InsidePid(l.Pid)))
}

// leavePatience is how long what a hook has started may outlive it.
const leavePatience = time.Second

// refuseStrangers gives an error when a hook of the host stays behind in the
// cell's pid namespace and the cell may trace: what can be traced can be made to
// do all that it can do itself, and such a hook has the host's rights. In other
// cells nobody can.
func (l *Launch) refuseStrangers(ctx context.Context) error {
	if process.Strangers == nil || !l.Plan.Cell.Permissions.Has(policy.Trace) {
		return nil
	}
	for deadline := time.Now().Add(leavePatience); ; {
		list, err := process.Strangers(l.Pid)
		if err != nil || len(list) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("run hooks: processes %v stay behind in the container, where its programs may trace them: have the hook end what it starts, or close the permission trace", list)
		}
		step.Say("wait for the end of processes %v, which a hook has left in the container", list)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// enterRoot closes the root and lets the child go on to the created state.
func (l *Launch) enterRoot() (err error) {
	p := l.Plan.Process
	if err := process.LookExec(l.Root.Dir, p.Args[0], p.Cwd, p.Env); err != nil {
		return err
	}
	slave := -1
	if b := l.Root.Builder; b != nil {
		if slave, err = b.Finish(); err != nil {
			return err
		}
	}
	l.Undo.Did("enter root", nil)
	if _, none := process.WithoutHome(p.Env); none {
		l.home.Set(process.HomeOf(l.Root.Dir, p.UID))
	}
	if err := l.link.SendGo(slave, &l.home); err != nil {
		return err
	}
	master, err := l.link.Receive(l.prog.Names())
	if err != nil {
		return fmt.Errorf("set up the container's process: %w", err)
	}
	l.master, l.terminal = l.Root.Terminal(master)
	return nil
}

// finish makes the container visible as created: terminal, record, pid file.
func (l *Launch) finish(ctx context.Context) error {
	if err := l.handTerminal(); err != nil {
		return err
	}
	if err := l.startMonitor(); err != nil {
		return err
	}
	if !l.Released {
		if err := l.SaveSteps(); err != nil {
			return err
		}
	}
	l.Phase = state.Created
	if err := l.Save(); err != nil {
		return err
	}
	l.Undo.Did("created", nil)
	if err := l.Caller.tell(ctx, l.Pid); err != nil {
		return err
	}
	l.Undo.Did("caller told", nil)
	return nil
}

// handTerminal hands the terminal over, if somebody wants it.
func (l *Launch) handTerminal() error {
	if l.master < 0 {
		return nil
	}
	if err := console.SetSize(l.master, l.Plan.Process.ConsoleSize); err != nil {
		return err
	}
	sent, err := l.Caller.handTerminal(l.sock, l.master, l.terminal)
	if sent {
		l.master = -1
	}
	return err
}

// startMonitor sees to it that the exit status is kept: by the caller, by the
// kernel, or else by a monitor.
func (l *Launch) startMonitor() error {
	if monitor.Start == nil || !l.Monitor {
		return nil
	}
	f, err := l.Kmod.Features()
	if err != nil {
		return fmt.Errorf("look at the kernel: %w", err)
	}
	if f.ExitStatus.Level == kmod.Enforced {
		return nil
	}
	m, err := monitor.Start(l.Pid, l.Path(state.ExitFile))
	if err != nil {
		return err
	}
	l.Undo.Did("monitor", m.End)
	return nil
}
