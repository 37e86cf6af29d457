package runtime

// The middle of create: the child is forked early and waits while the parent
// builds the root around it.

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// initExitCode is the status of a first process whose exec failed.
const initExitCode = 127

// launch is one create's working state.
type launch struct {
	*container
	plan    *oci.Plan
	fs      *rootfs.Root
	tx      *txn
	options CreateOptions

	entry   kmod.Entry
	link    *process.Link
	prog    *stage.Program
	fifo    int
	errFile int
	sock    int // the caller's console socket, -1 = none
	master  int // the terminal's master for a foreground run, -1 = none
}

// run forks the child and brings it to the created state.
func (l *launch) run(ctx context.Context) (err error) {
	l.sock = -1
	if l.options.ConsoleSocket != "" {
		if l.sock, err = console.Dial(l.options.ConsoleSocket); err != nil {
			return err
		}
	}
	defer func() { sys.CloseFD(l.sock) }()
	if l.entry, err = l.rt.kmod.Enter(l.Cell); err != nil {
		return fmt.Errorf("enter cell: %w", err)
	}
	defer l.entry.Close()
	if l.link, err = process.NewLink(); err != nil {
		return err
	}
	defer l.link.Close()
	if err := l.openFiles(); err != nil {
		return err
	}
	defer l.closeFiles()
	if err := process.SealDescriptors(3 + l.options.PreserveFDs); err != nil {
		return err
	}
	if err := passDescriptors(l.options.PreserveFDs); err != nil {
		return err
	}
	if err := process.OnThread(func() error { return l.onThread(ctx) }); err != nil {
		return err
	}
	return l.finish()
}

// openFiles makes the FIFO that `start` writes to and the file for the name
// of a step that fails after that. Opened for reading and writing, the FIFO
// never blocks and never ends.
func (l *launch) openFiles() (err error) {
	l.fifo, l.errFile = -1, -1
	if err := unix.Mkfifo(l.Path(state.FifoFile), 0o600); err != nil {
		return fmt.Errorf("make %s: %w", state.FifoFile, err)
	}
	if l.fifo, err = unix.Open(l.Path(state.FifoFile), unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open %s: %w", state.FifoFile, err)
	}
	if l.errFile, err = unix.Open(l.Path(state.ErrorFile), unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600); err != nil {
		return fmt.Errorf("make %s: %w", state.ErrorFile, err)
	}
	return nil
}

func (l *launch) closeFiles() {
	sys.CloseFD(l.fifo)
	sys.CloseFD(l.errFile)
	l.fifo, l.errFile = -1, -1
}

// passDescriptors lets the callers' extra descriptors through to the process.
func passDescriptors(n int) error {
	for fd := 3; fd < 3+n; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("--preserve-fds %d: descriptor %d: %w", n, fd, err)
		}
	}
	return nil
}

// onThread is what happens on the thread that belongs to the cell's namespaces.
func (l *launch) onThread(ctx context.Context) error {
	if err := l.entry.Thread(); err != nil {
		return fmt.Errorf("enter cell: %w", err)
	}
	if err := l.fs.Attach(); err != nil {
		return err
	}
	if err := l.fork(); err != nil {
		return err
	}
	procFD, err := l.link.Receive(l.prog.Names())
	if err != nil {
		return fmt.Errorf("set up the container's process: %w", err)
	}
	if err := l.fs.Populate(procFD); err != nil {
		return err
	}
	l.tx.did("mounts", nil)
	if err := l.hooks(ctx); err != nil {
		return err
	}
	return l.enterRoot()
}

// fork makes the container's first process and records it, before it is
// allowed to do anything.
func (l *launch) fork() (err error) {
	if l.prog, err = l.program(); err != nil {
		return err
	}
	pid, err := l.prog.Start()
	if err != nil {
		return err
	}
	l.link.CloseChild()
	l.tx.did("fork", (&process.Child{Pid: pid}).End)
	l.Pid = pid
	l.Steps = l.prog.Names()
	l.PidStart, _ = sys.StartTime(pid)
	if err := l.rt.kmod.Entered(l.Cell, pid); err != nil {
		return fmt.Errorf("register process: %w", err)
	}
	l.tx.did("register process", nil)
	return nil
}

// program is everything that the child does, from fork to exec.
func (l *launch) program() (*stage.Program, error) {
	p := *l.plan.Process
	p.Rlimits = process.WithCallersNofile(p.Rlimits)
	// The child lives on as "created" without an exec, so what only the parent
	// may hold is closed here: the lock, and the parent's end of the link, by
	// whose closing the child learns that the parent was killed.
	steps := make([]stage.Step, 0, len(l.entry.Seal)+64)
	steps = append(steps,
		stage.Sys("let go of the lock", unix.SYS_CLOSE, uintptr(l.Lock)),
		stage.Sys("let go of the parent's end", unix.SYS_CLOSE, uintptr(l.link.Parent)),
		stage.Sys("become session leader", unix.SYS_SETSID))
	steps = append(steps, process.DefaultSignals()...)
	ready, err := l.fs.ReadySteps(l.link, len(steps))
	if err != nil {
		return nil, err
	}
	steps = append(steps, ready...)
	steps = append(steps, l.fs.GoSteps(l.link)...)
	if p.Terminal {
		steps = append(steps, l.fs.TerminalSteps()...)
	}
	member, err := process.MemberSteps(&p, l.entry)
	if err != nil {
		return nil, err
	}
	steps = append(steps, member...)
	steps = append(steps, l.fs.CreatedStep(l.link, len(steps)))
	steps = append(steps, stage.Await("wait for start", l.fifo))
	identity, err := process.IdentitySteps(&p, l.entry)
	if err != nil {
		return nil, err
	}
	return &stage.Program{
		Fork: l.entry.Fork, Steps: append(steps, identity...),
		Report: [2]int{l.errFile, l.link.Child}, ExitCode: initExitCode,
	}, nil
}

// hooks run when the environment is there and the root is not yet entered.
func (l *launch) hooks(ctx context.Context) error {
	h := l.plan.Hooks
	if len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) == 0 {
		return nil
	}
	l.tx.did("hooks begin", func() error {
		l.runPoststop(context.WithoutCancel(ctx), h.Poststop)
		return nil
	})
	// Hooks ask for the state. Otherwise it is enough that the cell, which is
	// found by its name, knows the process.
	if err := l.Save(); err != nil {
		return err
	}
	l.tx.did("record process", nil)
	// These two see the host's namespaces, so they do not run on this thread.
	err := process.OnThread(func() error {
		if err := l.runHooks(ctx, h.Prestart, state.Creating); err != nil {
			return err
		}
		return l.runHooks(ctx, h.CreateRuntime, state.Creating)
	})
	if err != nil {
		return err
	}
	if err := l.runHooksAs(ctx, h.CreateContainer, state.Creating, process.InsidePid(l.Pid)); err != nil {
		return err
	}
	l.tx.did("hooks", nil)
	return nil
}

// enterRoot closes the root, opens the terminal and lets the child go on to
// the created state.
func (l *launch) enterRoot() (err error) {
	p := l.plan.Process
	if err := process.LookExec(l.fs.Dir, p.Args[0], p.Cwd, p.Env); err != nil {
		return err
	}
	slave := -1
	if p.Terminal {
		if slave, err = l.fs.OpenTerminal(); err != nil {
			return err
		}
	}
	if err := l.fs.Protect(); err != nil {
		return err
	}
	if err := l.fs.Pivot(); err != nil {
		return err
	}
	l.tx.did("enter root", nil)
	if err := l.link.Send(slave); err != nil {
		return err
	}
	master, err := l.link.Receive(l.prog.Names())
	if err != nil {
		return fmt.Errorf("set up the container's process: %w", err)
	}
	l.master = l.fs.TakeTerminal(master)
	return nil
}

// finish makes the container visible as created: terminal, record, pid file.
func (l *launch) finish() error {
	if l.master >= 0 {
		if err := console.SetSize(l.master, l.plan.Process.ConsoleSize); err != nil {
			return err
		}
	}
	if l.sock >= 0 {
		err := console.Send(l.sock, l.master, l.fs.TerminalName(l.master))
		sys.CloseFD(l.master)
		l.master = -1
		if err != nil {
			return err
		}
	}
	if err := l.startMonitor(); err != nil {
		return err
	}
	l.Phase = state.Created
	if err := l.Save(); err != nil {
		return err
	}
	l.tx.did("created", nil)
	if l.options.PidfdSocket != "" {
		if err := console.SendPidfd(l.options.PidfdSocket, l.Pid); err != nil {
			return err
		}
	}
	if l.options.PidFile == "" {
		return nil
	}
	if err := writePidFile(l.options.PidFile, l.Pid); err != nil {
		return err
	}
	l.tx.did("pid file", nil)
	return nil
}
