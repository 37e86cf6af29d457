package task

// What containerd can ask for (runtime/task/v2/shim.proto).

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	task "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/api/types/runc/options"
	tasks "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/stdio"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var empty = &emptypb.Empty{}

// Connect tells who serves a container.
func (s *Service) Connect(_ context.Context, r *task.ConnectRequest) (*task.ConnectResponse, error) {
	answer := &task.ConnectResponse{ShimPid: uint32(os.Getpid())}
	if c, err := s.find(r.GetID()); err == nil {
		answer.TaskPid = uint32(c.init.look().pid)
	}
	return answer, nil
}

// Create makes a container, whose process waits for Start.
func (s *Service) Create(ctx context.Context, r *task.CreateTaskRequest) (*task.CreateTaskResponse, error) {
	switch {
	case r.GetCheckpoint() != "":
		return nil, status.Error(codes.Unimplemented, "create from a checkpoint: cells have none")
	case len(r.GetOptions().GetValue()) > 0:
		return nil, invalid("create: the runtime has no options, and got %s; leave them out: what a cell is given are annotations", r.GetOptions().GetTypeUrl())
	}
	ctx, err := s.reserve(ctx, r.GetID())
	if err != nil {
		return nil, err
	}
	c := &container{
		id: r.GetID(), bundle: r.GetBundle(), engine: s.engine, send: s.send, execs: map[string]*process{}, over: make(chan struct{}),
		ended: func() { s.retireLater() },
		init: newProcess("", stdio.Spec{
			Namespace: s.namespace, ID: r.GetID(), In: r.GetStdin(), Out: r.GetStdout(), Err: r.GetStderr(), Terminal: r.GetTerminal(),
		}),
	}
	made := (*container)(nil)
	defer func() { s.settle(r.GetID(), made) }() // after a fault, too
	if err := c.create(ctx, r.GetRootfs()); err != nil {
		return nil, err
	}
	made = c
	return &task.CreateTaskResponse{Pid: uint32(c.init.look().pid)}, nil
}

// Start starts the program of a container, or of an exec.
func (s *Service) Start(ctx context.Context, r *task.StartRequest) (*task.StartResponse, error) {
	c, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	var pid int
	if p == c.init {
		pid, err = c.start(ctx)
	} else {
		pid, err = c.startExec(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return &task.StartResponse{Pid: uint32(pid)}, nil
}

// Exec takes in a process that Start starts.
func (s *Service) Exec(_ context.Context, r *task.ExecProcessRequest) (*emptypb.Empty, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	if r.GetExecID() == "" {
		return nil, invalid("exec in %q: the exec has no id", r.GetID())
	}
	plan, err := s.engine.Compile(r.GetSpec().GetValue())
	if err != nil {
		return nil, invalid("exec in %q: %v", r.GetID(), err)
	}
	plan.Terminal = r.GetTerminal()
	p := newProcess(r.GetExecID(), stdio.Spec{
		Namespace: s.namespace, ID: r.GetID(), In: r.GetStdin(), Out: r.GetStdout(), Err: r.GetStderr(), Terminal: r.GetTerminal(), Copied: true,
	})
	p.plan = plan
	return empty, c.addExec(p)
}

// State tells how a process is.
func (s *Service) State(_ context.Context, r *task.StateRequest) (*task.StateResponse, error) {
	c, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	now := p.look()
	answer := &task.StateResponse{
		ID: c.id, Bundle: c.bundle, Pid: uint32(now.pid), Status: phases[now.phase], Terminal: p.spec.Terminal,
		Stdin: p.spec.In, Stdout: p.spec.Out, Stderr: p.spec.Err, ExitStatus: now.status, ExecID: p.execID,
	}
	if now.phase == ended {
		answer.ExitedAt = timestamppb.New(now.at)
	}
	if p == c.init && now.phase == running {
		state, err := s.engine.State(c.id)
		if err != nil {
			return nil, err
		}
		if state.Status == runtime.Paused {
			answer.Status = tasks.Status_PAUSED
		}
	}
	return answer, nil
}

// Wait waits for a process's end.
func (s *Service) Wait(ctx context.Context, r *task.WaitRequest) (*task.WaitResponse, error) {
	_, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a process of %q: %w", r.GetID(), context.Cause(ctx))
	}
	now := p.look()
	return &task.WaitResponse{ExitStatus: now.status, ExitedAt: timestamppb.New(now.at)}, nil
}

// Kill signals a process, or all of a container.
func (s *Service) Kill(_ context.Context, r *task.KillRequest) (*emptypb.Empty, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	return empty, c.kill(r.GetExecID(), syscall.Signal(r.GetSignal()), r.GetAll())
}

// Delete takes away a process that has ended, or has not been started.
func (s *Service) Delete(ctx context.Context, r *task.DeleteRequest) (*task.DeleteResponse, error) {
	c, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	var last look
	if p == c.init {
		if last, err = c.delete(ctx); err == nil {
			s.forget(c.id)
		}
	} else {
		last, err = c.deleteExec(p)
	}
	if err != nil {
		return nil, err
	}
	return &task.DeleteResponse{Pid: uint32(last.pid), ExitStatus: last.status, ExitedAt: timestamppb.New(last.at)}, nil
}

// Pids lists a container's processes by the host's numbers. One that has ended has
// its first process until Delete: a containerd that starts takes a shim that names no
// process, or before 2.4 gives an error, for one whose container was never made, and
// removes it, with an exit status that nobody has seen.
func (s *Service) Pids(_ context.Context, r *task.PidsRequest) (*task.PidsResponse, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	pids, err := s.engine.Processes(c.id)
	if now := c.init.look(); now.phase == ended && (errors.Is(err, runtime.ErrNotRunning) || err == nil && len(pids) == 0) {
		return &task.PidsResponse{Processes: []*tasks.ProcessInfo{{Pid: uint32(now.pid)}}}, nil
	}
	if err != nil {
		return nil, err
	}
	execs := c.execIDs()
	answer := &task.PidsResponse{}
	for _, pid := range pids {
		info := &tasks.ProcessInfo{Pid: uint32(pid)}
		if id := execs[pid]; id != "" {
			if info.Info, err = anyOf(&options.ProcessDetails{ExecID: id}); err != nil {
				return nil, err
			}
		}
		answer.Processes = append(answer.Processes, info)
	}
	return answer, nil
}

// Pause stops the processes of a container.
func (s *Service) Pause(_ context.Context, r *task.PauseRequest) (*emptypb.Empty, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	return empty, c.pause()
}

// Resume lets them go on.
func (s *Service) Resume(_ context.Context, r *task.ResumeRequest) (*emptypb.Empty, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	return empty, c.resume()
}

// ResizePty sets the size of a process's terminal.
func (s *Service) ResizePty(_ context.Context, r *task.ResizePtyRequest) (*emptypb.Empty, error) {
	_, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	const most = 1<<16 - 1
	return empty, p.resize(uint16(min(r.GetWidth(), most)), uint16(min(r.GetHeight(), most)))
}

// CloseIO lets a process find the end of its standard input.
func (s *Service) CloseIO(_ context.Context, r *task.CloseIORequest) (*emptypb.Empty, error) {
	_, p, err := s.process(r.GetID(), r.GetExecID())
	if err != nil {
		return nil, err
	}
	if r.GetStdin() {
		p.io.CloseIn()
	}
	return empty, nil
}

// Update changes a container's limits.
func (s *Service) Update(_ context.Context, r *task.UpdateTaskRequest) (*emptypb.Empty, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	resources, unknown, err := oci.LoadResources(bytes.NewReader(r.GetResources().GetValue()))
	if err != nil {
		return nil, invalid("update %q: %v", c.id, err)
	}
	update := oci.CompileUpdate(resources)
	lacking := strings.Join(append(unknown, update.Lacking...), ", ")
	switch {
	case update.MaxProcesses == nil && lacking != "":
		return nil, status.Errorf(codes.Unimplemented, "update %q: cells lack %s; what can be changed is pids.limit", c.id, lacking)
	case update.MaxProcesses == nil:
		return empty, nil
	case lacking != "": // clients send all that they know
		log.L.Warnf("update %s: cells lack %s", c.id, lacking)
	}
	return empty, s.engine.Limit(c.id, *update.MaxProcesses)
}

// Stats tells what a container uses.
func (s *Service) Stats(_ context.Context, r *task.StatsRequest) (*task.StatsResponse, error) {
	c, err := s.find(r.GetID())
	if err != nil {
		return nil, err
	}
	used, err := s.engine.Stats(c.id)
	if err != nil {
		return nil, err
	}
	stats, err := anyOf(metrics(&used))
	return &task.StatsResponse{Stats: stats}, err
}

// Checkpoint is not there.
func (s *Service) Checkpoint(context.Context, *task.CheckpointTaskRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.Unimplemented, "checkpoint: cells have none")
}

// Shutdown ends a shim that has no container any more.
func (s *Service) Shutdown(_ context.Context, r *task.ShutdownRequest) (*emptypb.Empty, error) {
	s.giveUp(r.GetID())
	s.closeIfEmpty()
	return empty, nil
}

// process finds a container and a process of it.
func (s *Service) process(id, execID string) (*container, *process, error) {
	c, err := s.find(id)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.find(execID)
	return c, p, err
}
