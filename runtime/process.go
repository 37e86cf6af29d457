package runtime

// Processes as a program sees them that goes on while they run.

import (
	"context"
	"os"
	"syscall"

	"github.com/netbsd-cells/runcell/runtime/internal/process"
)

// Process is a process of a container that this program has made: its child,
// which is reaped when it ends, whether anybody waits for it or not.
type Process struct{ child *process.Child }

// Pid is its number on the host.
func (p *Process) Pid() int { return p.child.Pid }

// Wait waits for the end of the process, or of the context: then the error
// wraps its cause. Any number may wait, and again afterwards.
func (p *Process) Wait(ctx context.Context) (syscall.WaitStatus, error) { return p.child.Await(ctx) }

// Signal sends a signal, never to another process that has got the number.
// Of one that has ended the error is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error { return p.child.Signal(sig) }

// Streams are what a process gets as its descriptors 0, 1 and 2; nil stands for
// its container's null device. They stay the caller's, who may close them once
// the process is made. They are set to block, as os/exec does, which is for all
// who have the same open file.
type Streams struct{ In, Out, Err *os.File }

func (s *Streams) files() *[3]*os.File {
	if s == nil {
		return nil
	}
	return &[3]*os.File{s.In, s.Out, s.Err}
}
