package launch

// A command that stays with its process: signals and the terminal go through,
// and its exit status becomes the command's.

import (
	"syscall"

	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"golang.org/x/sys/unix"
)

// Foreground is a process that a command stays with.
type Foreground struct {
	proc *process.Child
	tty  *console.Relay // nil = no terminal
}

// Attend is for a process that is about to run, or does. master is its
// terminal, -1 = none: its output is shown from now on.
func Attend(proc *process.Child, master int) (f *Foreground, err error) {
	f = &Foreground{proc: proc}
	if master < 0 {
		return f, nil
	}
	f.tty, err = console.NewRelay(master)
	return f, err
}

// Signal passes a signal on. A new size of our terminal becomes the size of the
// process's, and the kernel tells those who are concerned.
func (f *Foreground) Signal(s syscall.Signal) {
	if f.tty != nil && s == unix.SIGPIPE && f.tty.Unread() {
		return // of our own write, and nobody has sent it
	}
	if f.tty != nil && f.tty.HasTerminal() {
		switch s {
		case unix.SIGWINCH:
			f.tty.Resize()
			return
		case unix.SIGCONT:
			f.tty.Resume()
		}
	}
	_ = f.proc.Signal(s)
}

// Wait joins the terminals, waits for the process and gives its exit status as
// shells have it. That takes as long as it likes: the caller holds no lock.
func (f *Foreground) Wait() (status int, err error) {
	if f.tty != nil {
		if err := f.tty.Take(); err != nil {
			return 0, err
		}
	}
	step.Say("wait for the end of process %d", f.proc.Pid)
	return f.proc.ExitStatus()
}

// Leave shows the last output and gives our terminal back. The process must
// have ended.
func (f *Foreground) Leave() error {
	if f.tty == nil {
		return nil
	}
	return f.tty.Finish()
}
