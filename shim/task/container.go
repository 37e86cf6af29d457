package task

// A container: its life from create to delete, and the processes in it.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	api "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim"
	"github.com/netbsd-cells/runcell/shim/mounts"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// container is one of them. Its lock is held through each step of its life, so
// that they come one after the other; what only looks takes no lock.
type container struct {
	id, bundle string
	engine     Engine
	send       func(proto.Message)
	ended      func() // is called when the first process has ended
	init       *process

	life sync.Mutex

	over chan struct{} // closed when the first process has ended: no other starts

	mu    sync.Mutex
	execs map[string]*process
}

// endLimit is how long the other processes of a container may take to be gone
// after its first one has ended and they were killed, with their output read.
const endLimit = 15 * time.Second

// create makes the container. On an error nothing of it is left.
func (c *container) create(ctx context.Context, rootfs []*types.Mount) (err error) {
	c.life.Lock()
	defer c.life.Unlock()
	if err := mounts.Make(c.bundle, rootfs); err != nil {
		return err
	}
	made := false
	defer func() {
		if !made { // after a fault, too
			err = errors.Join(err, mounts.Remove(c.bundle))
		}
	}()
	streams := c.init.io
	if err := streams.Open(ctx); err != nil {
		return err
	}
	handle, err := c.engine.Create(ctx, c.id, c.bundle, streams)
	if err != nil {
		streams.Close()
		return err
	}
	made = true
	streams.Given()
	c.init.born(handle)
	spec := c.init.spec
	c.send(&api.TaskCreate{
		ContainerID: c.id, Bundle: c.bundle, Rootfs: rootfs, Pid: uint32(handle.Pid()),
		IO: &api.TaskIO{Stdin: spec.In, Stdout: spec.Out, Stderr: spec.Err, Terminal: spec.Terminal},
	})
	shim.Go("watch "+c.id, func() { c.watchInit(handle) })
	return nil
}

// start lets the first process run its program.
func (c *container) start(ctx context.Context) (pid int, err error) {
	c.life.Lock()
	defer c.life.Unlock()
	switch now := c.init.look(); now.phase {
	case running:
		return 0, precondition("start %q: it is started already", c.id)
	case ended:
		return 0, precondition("start %q: its process has ended, with status %d", c.id, now.status)
	}
	if err := c.init.io.Begin(); err != nil {
		return 0, err
	}
	if err := c.engine.Start(ctx, c.id); err != nil {
		return 0, err
	}
	c.init.enter(created, running)
	pid = c.init.look().pid
	c.send(&api.TaskStart{ContainerID: c.id, Pid: uint32(pid)})
	return pid, nil
}

// watchInit waits for the end of the first process. With it everything in the
// cell ends, and its exit is the last one that containerd hears of, also after a
// fault in what comes before: who waits would wait for ever.
func (c *container) watchInit(h Process) {
	status := c.outcome(h)
	shim.Guard("end the other processes of "+c.id, func() {
		err := c.engine.Kill(c.id, unix.SIGKILL, true)
		if err != nil && !errors.Is(err, runtime.ErrNotExist) && !errors.Is(err, runtime.ErrNotRunning) {
			log.L.Warnf("end the other processes of %s: %v", c.id, err)
		}
	})
	c.awaitOutput()
	c.life.Lock() // the event of a start that goes on comes before
	defer c.life.Unlock()
	c.exited(c.init, status)
	c.ended()
	if err := mounts.Ended(c.bundle); err != nil {
		log.L.Warnf("%s has ended: %v", c.id, err)
	}
}

// outcome waits for the end of a process, and gives its exit status. One that can't
// be waited for is killed: nobody would hear of its end.
func (c *container) outcome(h Process) (status uint32) {
	status = unknown
	var err error
	if shim.Guard("wait for a process of "+c.id, func() { status, err = await(context.Background(), h) }) && err == nil {
		return status
	}
	shim.Guard("kill a process of "+c.id, func() { err = errors.Join(err, h.Signal(unix.SIGKILL)) })
	log.L.Errorf("process %d of %s can't be waited for, and is killed: %v", h.Pid(), c.id, err)
	return unknown
}

// awaitOutput waits until all is read of what the processes have written, and until
// those of exec have ended.
func (c *container) awaitOutput() {
	var output sync.WaitGroup
	output.Go(func() { shim.Guard("output of "+c.id, c.init.io.Flush) }) // while the others' is waited for
	limit := time.After(endLimit)
	for _, p := range c.finalExecs() {
		select {
		case <-p.done:
		case <-limit:
			log.L.Errorf("process %s of %s is still there %v after it was killed", p.execID, c.id, endLimit)
		}
	}
	output.Wait()
}

// finalExecs says that no exec can start any more, and gives those that run.
func (c *container) finalExecs() []*process {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.over)
	var all []*process
	for _, p := range c.execs {
		if p.giveUp(); p.look().phase == running {
			all = append(all, p)
		}
	}
	return all
}

// exited records an end and tells of it.
func (c *container) exited(p *process, status uint32) {
	defer close(p.done)
	p.finish(status)
	id := p.execID
	if id == "" {
		id = c.id
	}
	now := p.look()
	c.send(&api.TaskExit{ContainerID: c.id, ID: id, Pid: uint32(now.pid), ExitStatus: status, ExitedAt: timestamppb.New(now.at)})
}

// delete takes away a container that has ended, or was never started.
func (c *container) delete(ctx context.Context) (look, error) {
	now, err := c.destroy(ctx)
	if err != nil {
		return now, err
	}
	if now.pid != 0 {
		select {
		case <-c.init.done:
		case <-ctx.Done():
			return now, fmt.Errorf("delete %q: wait for the end of process %d: %w", c.id, now.pid, context.Cause(ctx))
		}
	}
	if err := mounts.Remove(c.bundle); err != nil {
		return now, err
	}
	now = c.init.look()
	c.send(&api.TaskDelete{ContainerID: c.id, Pid: uint32(now.pid), ExitStatus: now.status, ExitedAt: timestamppb.New(now.at)})
	return now, nil
}

// destroy removes what package runtime has of it. The lock is free afterwards for the
// end of one that was never started.
func (c *container) destroy(ctx context.Context) (look, error) {
	c.life.Lock()
	defer c.life.Unlock()
	now := c.init.look()
	if now.phase == running {
		return now, precondition("delete %q: it is running; kill it first", c.id)
	}
	return now, c.engine.Delete(ctx, c.id, true)
}

// addExec takes a process in, which startExec runs.
func (c *container) addExec(p *process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.execs[p.execID] != nil {
		return fmt.Errorf("exec %q in %q: %w", p.execID, c.id, runtime.ErrExist)
	}
	c.execs[p.execID] = p
	c.send(&api.TaskExecAdded{ContainerID: c.id, ExecID: p.execID})
	return nil
}

func (c *container) startExec(ctx context.Context, p *process) (pid int, err error) {
	// Held until the start is told of: the end is told of afterwards.
	p.life.Lock()
	defer p.life.Unlock()
	if err := c.beginExec(p); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			p.io.Close()
			p.finish(execFailed)
			close(p.done)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	shim.Go("start exec in "+c.id, func() { // what it waits for would hold up the container's end
		select {
		case <-c.over:
			cancel(errOver)
		case <-ctx.Done():
		}
	})
	if err := p.io.Open(ctx); err != nil {
		return 0, err
	}
	if err := p.io.Begin(); err != nil {
		return 0, err
	}
	handle, err := c.engine.Exec(ctx, c.id, p.plan, p.io)
	if err != nil {
		return 0, err
	}
	p.io.Given()
	p.born(handle)
	c.send(&api.TaskExecStarted{ContainerID: c.id, ExecID: p.execID, Pid: uint32(handle.Pid())})
	shim.Go("watch exec in "+c.id, func() {
		status := c.outcome(handle)
		shim.Guard("output of an exec in "+c.id, p.io.Flush)
		p.life.Lock()
		defer p.life.Unlock()
		c.exited(p, status)
	})
	return handle.Pid(), nil
}

// errOver is why nothing starts in a container that has ended.
var errOver = errors.New("the container has ended")

// beginExec says that a process starts. The end of the container waits for it then.
func (c *container) beginExec(p *process) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.over:
		return precondition("start exec %q in %q: %v", p.execID, c.id, errOver)
	default:
	}
	if !p.enter(created, running) {
		return precondition("start exec %q in %q: it is started already", p.execID, c.id)
	}
	return nil
}

// deleteExec takes away a process that has ended, or was not started.
func (c *container) deleteExec(p *process) (look, error) {
	p.giveUp()
	now := p.look()
	if now.phase == running {
		return now, precondition("delete exec %q of %q: it is running", p.execID, c.id)
	}
	p.io.Drain()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.execs, p.execID)
	return now, nil
}

// execIDs are the ids of the execs that run, by their processes.
func (c *container) execIDs() map[int]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := map[int]string{}
	for id, p := range c.execs {
		if now := p.look(); now.phase == running {
			ids[now.pid] = id
		}
	}
	return ids
}

func (c *container) pause() error {
	c.life.Lock()
	defer c.life.Unlock()
	if err := c.engine.Pause(c.id); err != nil {
		return err
	}
	c.send(&api.TaskPaused{ContainerID: c.id})
	return nil
}

func (c *container) resume() error {
	c.life.Lock()
	defer c.life.Unlock()
	if err := c.engine.Resume(c.id); err != nil {
		return err
	}
	c.send(&api.TaskResumed{ContainerID: c.id})
	return nil
}

// find gives a process by its exec's id; empty: the first one.
func (c *container) find(execID string) (*process, error) {
	if execID == "" {
		return c.init, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.execs[execID]; p != nil {
		return p, nil
	}
	return nil, notFound("process %q of %q: there is none", execID, c.id)
}

// kill signals a process. The first one is the container's: all of it, if asked.
func (c *container) kill(execID string, sig syscall.Signal, all bool) error {
	p, err := c.find(execID)
	switch {
	case err != nil:
		return err
	case execID != "":
		return p.signal(sig)
	}
	if now := p.look(); now.phase == ended && !all {
		return notFound("kill %q: it has ended", c.id)
	}
	return c.engine.Kill(c.id, sig, all)
}
