package task

// A process: the first one of a container, or one of exec.

import (
	"context"
	"sync"
	"syscall"
	"time"

	tasks "github.com/containerd/containerd/api/types/task"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/shim/stdio"
)

// phase is a process's state.
type phase int

const (
	created phase = iota // a first process waits to be started; one of exec is not there yet
	running
	ended
)

// phases are what containerd calls them.
var phases = map[phase]tasks.Status{created: tasks.Status_CREATED, running: tasks.Status_RUNNING, ended: tasks.Status_STOPPED}

// process is one of them.
type process struct {
	execID string // empty: the container's first
	spec   stdio.Spec
	io     *stdio.Streams
	plan   *oci.Process // of exec

	life sync.Mutex // of exec: held through its start, and when its end is told of

	mu     sync.Mutex
	phase  phase
	handle Process
	pid    int
	status uint32 // the exit status, as shells have it, once it has ended
	at     time.Time
	done   chan struct{} // closed when it has ended
}

func newProcess(execID string, spec stdio.Spec) *process {
	return &process{execID: execID, spec: spec, io: stdio.New(spec), done: make(chan struct{})}
}

// look is what a process is at a moment.
type look struct {
	phase  phase
	pid    int
	status uint32
	at     time.Time
}

func (p *process) look() look {
	p.mu.Lock()
	defer p.mu.Unlock()
	return look{p.phase, p.pid, p.status, p.at}
}

// resize sets the size of its terminal. Clients of exec do so before it is started.
func (p *process) resize(width, height uint16) error {
	if !p.spec.Terminal {
		return precondition("resize terminal: process %q has none", p.execID)
	}
	return p.io.Resize(width, height)
}

// born says which process it has become.
func (p *process) born(h Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handle, p.pid = h, h.Pid()
}

// enter takes it from one phase into the next, and tells whether it was in the one.
func (p *process) enter(from, next phase) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.phase == from
	if was {
		p.phase = next
	}
	return was
}

const (
	// execFailed is the exit status of an exec whose program did not run, unknown of
	// a process that could not be waited for.
	execFailed = 255
	unknown    = 255
)

// giveUp ends an exec that was not started: it never is, and who waits for its end
// hears of that.
func (p *process) giveUp() {
	if p.enter(created, ended) {
		p.finish(execFailed)
		close(p.done)
	}
}

// finish says how it has ended. Who waits is told by done, which closes later.
func (p *process) finish(status uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.status, p.at = ended, status, time.Now()
	p.io.End()
}

func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	h, now := p.handle, p.phase
	p.mu.Unlock()
	switch {
	case now == ended:
		return notFound("process %q has ended", p.execID)
	case h == nil:
		return precondition("process %q is not started", p.execID)
	}
	return h.Signal(sig)
}

// await waits for the end and gives the exit status: 128 and the signal for one
// that a signal has ended.
func await(ctx context.Context, h Process) (uint32, error) {
	ws, err := h.Wait(ctx)
	switch {
	case err != nil:
		return unknown, err
	case ws.Signaled():
		return 128 + uint32(ws.Signal()), nil
	}
	return uint32(ws.ExitStatus()), nil
}
