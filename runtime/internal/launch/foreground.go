package launch

// A command that stays with its process: signals and the terminal go through,
// and its exit status becomes the command's.

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"golang.org/x/sys/unix"
)

// Foreground is a process that a command stays with.
type Foreground struct {
	proc *process.Child
	tty  *console.Relay // nil = no terminal
}

// Attend passes on signals to a process, from now until this one ends: a signal
// that comes while the container is being deleted must not cut that off. master
// is the process's terminal, -1 = none; it is relayed to our own.
func Attend(proc *process.Child, master int) (f *Foreground, err error) {
	forwardSignals(proc)
	f = &Foreground{proc: proc}
	if master < 0 {
		return f, nil
	}
	f.tty, err = console.NewRelay(master)
	return f, err
}

// Wait waits for the process and gives its exit status as shells have it.
func (f *Foreground) Wait() (status int, err error) { return f.proc.ExitStatus() }

// Leave waits for the last output and gives our terminal back. The process must
// have ended.
func (f *Foreground) Leave() {
	if f.tty != nil {
		f.tty.Finish()
	}
}

// forwarded are the signals that are passed on. Each one costs the Go runtime
// several thread switches to set up, so these are those that people and service
// managers send.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT,
}

func forwardSignals(proc *process.Child) {
	ch := make(chan os.Signal, 64)
	signal.Notify(ch, forwarded...)
	go func() {
		for s := range ch {
			if sig, ok := s.(syscall.Signal); ok {
				proc.Signal(sig)
			}
		}
	}()
}
