package task

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	cgroups "github.com/containerd/cgroups/v3/cgroup2/stats"
	api "github.com/containerd/containerd/api/events"
	task "github.com/containerd/containerd/api/runtime/task/v2"
	tasks "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/stdio"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestMain(m *testing.M) {
	log.L.Logger.SetOutput(io.Discard) // faults are made on purpose
	os.Exit(m.Run())
}

// child is a process of the fake's.
type child struct {
	pid  int
	once sync.Once
	ws   syscall.WaitStatus
	done chan struct{}
	fail chan struct{} // closed: Wait panics
}

func (c *child) Pid() int { return c.pid }

func (c *child) Wait(ctx context.Context) (syscall.WaitStatus, error) {
	select {
	case <-c.done:
		return c.ws, nil
	case <-c.fail:
		panic("a fault")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c *child) Signal(sig syscall.Signal) error {
	select {
	case <-c.done:
		return os.ErrProcessDone
	default:
		c.end(syscall.WaitStatus(sig))
		return nil
	}
}

func (c *child) end(ws syscall.WaitStatus) {
	c.once.Do(func() { c.ws = ws; close(c.done) })
}

// fake is package runtime without a kernel.
type fake struct {
	left     atomic.Int32 // how often the shim has left
	mu       sync.Mutex
	pids     int
	children map[string][]*child // the first one first
	paused   bool
	limit    uint64
	fail     error
	panics   bool
	gone     bool          // nothing has a record
	asking   chan struct{} // gets an element with each State, which then waits for one of block
	starting chan struct{} // gets an element with each Start, which then waits for one of block
	block    chan struct{}
	killing  chan struct{} // gets an element with each Kill
	entering func(*stdio.Streams)
}

func newFake() *fake { return &fake{children: map[string][]*child{}} }

func (f *fake) make(id string) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pids++
	c := &child{pid: f.pids, done: make(chan struct{}), fail: make(chan struct{})}
	f.children[id] = append(f.children[id], c)
	return c
}

func (f *fake) of(id string, n int) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.children[id][n]
}

func (f *fake) Create(ctx context.Context, id, _ string, _ *stdio.Streams) (Process, error) {
	if f.panics {
		panic("a fault")
	}
	if f.fail != nil {
		return nil, f.fail
	}
	return f.make(id), ctx.Err()
}

func (f *fake) Start(_ context.Context, _ string) error {
	if f.starting != nil {
		f.starting <- struct{}{}
		<-f.block
	}
	return f.fail
}

func (f *fake) Compile([]byte) (*oci.Process, error) { return &oci.Process{}, nil }

func (f *fake) Exec(_ context.Context, id string, _ *oci.Process, s *stdio.Streams) (Process, error) {
	if f.entering != nil {
		f.entering(s)
	}
	if f.fail != nil {
		return nil, f.fail
	}
	return f.make(id), nil
}

func (f *fake) Kill(id string, sig syscall.Signal, all bool) error {
	f.mu.Lock()
	list := f.children[id]
	f.mu.Unlock()
	if len(list) == 0 {
		return runtime.ErrNotExist
	}
	if !all {
		list = list[:1]
	}
	for _, c := range list {
		_ = c.Signal(sig)
	}
	if f.killing != nil {
		f.killing <- struct{}{}
	}
	return nil
}

func (f *fake) Pause(string) error  { f.paused = true; return f.fail }
func (f *fake) Resume(string) error { f.paused = false; return f.fail }

func (f *fake) Delete(_ context.Context, id string, _ bool) error {
	if f.panics {
		panic("a fault")
	}
	_ = f.Kill(id, unix.SIGKILL, true)
	return f.fail
}

func (f *fake) State(string) (*runtime.State, error) {
	if f.asking != nil {
		f.asking <- struct{}{}
		<-f.block
	}
	if f.gone {
		return nil, runtime.ErrNotExist
	}
	if f.paused {
		return &runtime.State{Status: runtime.Paused}, nil
	}
	return &runtime.State{Status: runtime.Running}, nil
}

func (f *fake) Processes(id string) (pids []int, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.children[id] {
		select {
		case <-c.done:
		default:
			pids = append(pids, c.pid)
		}
	}
	return pids, nil
}

func (f *fake) Stats(string) (kmod.Stats, error) {
	return kmod.Stats{Processes: 3, Memory: 4096, CPU: kmod.CPU{Total: time.Second}}, nil
}

func (f *fake) Limit(_ string, n uint64) error { f.limit = n; return nil }

// record keeps the events.
type record struct {
	mu  sync.Mutex
	all []string
}

func (r *record) send(m proto.Message) {
	text := fmt.Sprintf("%T", m)
	switch e := m.(type) {
	case *api.TaskExit:
		text = fmt.Sprintf("exit %s %d %d", e.GetID(), e.GetPid(), e.GetExitStatus())
	case *api.TaskStart:
		text = fmt.Sprintf("start %s %d", e.GetContainerID(), e.GetPid())
	case *api.TaskExecStarted:
		text = fmt.Sprintf("exec-started %s %d", e.GetExecID(), e.GetPid())
	case *api.TaskDelete:
		text = fmt.Sprintf("delete %s %d %d", e.GetContainerID(), e.GetPid(), e.GetExitStatus())
	default:
		text = strings.ToLower(strings.TrimPrefix(text, "*events.Task"))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, text)
}

func (r *record) is(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.all, want) {
		t.Errorf("events %q; want %q", r.all, want)
	}
}

// client calls a service over a socket, by one of its names.
type client struct {
	t       *testing.T
	service string
	c       *ttrpc.Client
}

func serve(t *testing.T, s *Service) *client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ttrpc.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	s.Register(server)
	go func() { _ = server.Serve(context.Background(), l) }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, services[1], ttrpc.NewClient(conn)}
	t.Cleanup(func() { _, _ = c.c.Close(), server.Close() })
	return c
}

func (c *client) try(method string, request, answer proto.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return c.c.Call(ctx, c.service, method, request, answer)
}

func (c *client) do(method string, request proto.Message) {
	c.t.Helper()
	if err := c.try(method, request, &emptypb.Empty{}); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) fails(code codes.Code, method string, request proto.Message) {
	c.t.Helper()
	if err := c.try(method, request, &emptypb.Empty{}); status.Code(err) != code {
		c.t.Errorf("%s: %v; want code %v", method, err, code)
	}
}

func (c *client) state(id, exec string) *task.StateResponse {
	c.t.Helper()
	answer := &task.StateResponse{}
	if err := c.try("State", &task.StateRequest{ID: id, ExecID: exec}, answer); err != nil {
		c.t.Fatalf("State: %v", err)
	}
	return answer
}

func (c *client) wait(id, exec string) uint32 {
	c.t.Helper()
	answer := &task.WaitResponse{}
	if err := c.try("Wait", &task.WaitRequest{ID: id, ExecID: exec}, answer); err != nil {
		c.t.Fatalf("Wait: %v", err)
	}
	return answer.GetExitStatus()
}

func (c *client) create(id string) {
	c.t.Helper()
	c.do("Create", &task.CreateTaskRequest{ID: id, Bundle: c.t.TempDir()})
}

func begin(t *testing.T) (*fake, *record, *Service, *client) {
	f, r := newFake(), &record{}
	s := New(f, "ns", r.send, func() { f.left.Add(1) })
	return f, r, s, serve(t, s)
}

// A client of exec gives the terminal's size before the process is there.
func TestResizeBeforeStart(t *testing.T) {
	_, _, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	for id, terminal := range map[string]bool{"with": true, "without": false} {
		c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: id, Terminal: terminal, Spec: &anypb.Any{Value: []byte("{}")}})
	}
	c.do("ResizePty", &task.ResizePtyRequest{ID: "a", ExecID: "with", Width: 100, Height: 30})
	c.fails(codes.FailedPrecondition, "ResizePty", &task.ResizePtyRequest{ID: "a", ExecID: "without", Width: 100, Height: 30})
}

// A life, by both names of the service, and what containerd hears of it.
func TestLife(t *testing.T) {
	for _, name := range services {
		f, r, s, c := begin(t)
		c.service = name
		c.create("a")
		if got := c.state("a", ""); got.GetStatus() != tasks.Status_CREATED || got.GetPid() != 1 {
			t.Errorf("state %v", got)
		}
		c.fails(codes.AlreadyExists, "Create", &task.CreateTaskRequest{ID: "a"})
		c.do("Start", &task.StartRequest{ID: "a"})
		c.fails(codes.FailedPrecondition, "Start", &task.StartRequest{ID: "a"})
		c.fails(codes.FailedPrecondition, "Delete", &task.DeleteRequest{ID: "a"})
		c.do("Pause", &task.PauseRequest{ID: "a"})
		if got := c.state("a", "").GetStatus(); got != tasks.Status_PAUSED {
			t.Errorf("state of a paused one: %v", got)
		}
		c.do("Resume", &task.ResumeRequest{ID: "a"})
		c.do("Shutdown", &task.ShutdownRequest{ID: "a"}) // has no effect
		f.of("a", 0).end(3 << 8)
		if got := c.wait("a", ""); got != 3 {
			t.Errorf("exit status %d", got)
		}
		// Without a process containerd would take it for a container that was never made.
		pids := &task.PidsResponse{}
		if err := c.try("Pids", &task.PidsRequest{ID: "a"}, pids); err != nil || len(pids.GetProcesses()) != 1 || pids.GetProcesses()[0].GetPid() != 1 {
			t.Errorf("Pids of one that has ended = %v, %v", pids, err)
		}
		c.fails(codes.NotFound, "Kill", &task.KillRequest{ID: "a", Signal: 15})
		c.do("Delete", &task.DeleteRequest{ID: "a"})
		c.fails(codes.NotFound, "State", &task.StateRequest{ID: "a"})
		r.is(t, "create", "start a 1", "paused", "resumed", "exit a 1 3", "delete a 1 3")
		c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
		select {
		case <-s.Done():
		case <-time.After(10 * time.Second):
			t.Error("Shutdown has no effect")
		}
		c.fails(codes.FailedPrecondition, "Create", &task.CreateTaskRequest{ID: "b"})
	}
}

// The first process's end ends the others, and is the last that is told of.
func TestExecs(t *testing.T) {
	f, r, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	for _, id := range []string{"x", "y"} {
		c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: id, Spec: &anypb.Any{Value: []byte("{}")}})
	}
	c.fails(codes.AlreadyExists, "Exec", &task.ExecProcessRequest{ID: "a", ExecID: "x"})
	c.fails(codes.InvalidArgument, "Exec", &task.ExecProcessRequest{ID: "a"})
	c.fails(codes.FailedPrecondition, "Kill", &task.KillRequest{ID: "a", ExecID: "x", Signal: 9})
	c.do("Start", &task.StartRequest{ID: "a", ExecID: "x"})
	c.fails(codes.FailedPrecondition, "Start", &task.StartRequest{ID: "a", ExecID: "x"})
	pids := &task.PidsResponse{}
	if err := c.try("Pids", &task.PidsRequest{ID: "a"}, pids); err != nil || len(pids.GetProcesses()) != 2 ||
		pids.GetProcesses()[0].GetInfo() != nil || pids.GetProcesses()[1].GetInfo() == nil {
		t.Errorf("Pids = %v, %v", pids, err)
	}
	f.of("a", 0).end(0)
	c.wait("a", "")
	if got := c.wait("a", "x"); got != 137 {
		t.Errorf("exit status of the exec %d; want 137", got)
	}
	c.fails(codes.FailedPrecondition, "Start", &task.StartRequest{ID: "a", ExecID: "y"})
	c.do("Delete", &task.DeleteRequest{ID: "a", ExecID: "x"})
	c.fails(codes.NotFound, "State", &task.StateRequest{ID: "a", ExecID: "x"})
	r.is(t, "create", "start a 1", "execadded", "execadded", "exec-started x 2", "exit x 2 137", "exit a 1 0")
}

// Who waits for the end of an exec that was never started hears of it: when it is
// deleted, and when its container ends.
func TestExecNeverStarted(t *testing.T) {
	f, r, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	want := []string{"create", "start a 1"}
	ask := func(id string) chan *task.WaitResponse {
		want = append(want, "execadded")
		c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: id, Spec: &anypb.Any{Value: []byte("{}")}})
		answer := make(chan *task.WaitResponse, 1)
		go func() {
			w := &task.WaitResponse{}
			if err := c.try("Wait", &task.WaitRequest{ID: "a", ExecID: id}, w); err != nil {
				w = nil
			}
			answer <- w
		}()
		return answer
	}
	// A question that comes after the deletion is about nothing: it is put anew.
	var w *task.WaitResponse
	for i := range 10 {
		answer := ask(fmt.Sprintf("x%d", i))
		time.Sleep(time.Duration(i) * time.Millisecond)
		c.do("Delete", &task.DeleteRequest{ID: "a", ExecID: fmt.Sprintf("x%d", i)})
		c.fails(codes.NotFound, "Start", &task.StartRequest{ID: "a", ExecID: fmt.Sprintf("x%d", i)})
		if w = <-answer; w != nil {
			break
		}
	}
	if w.GetExitStatus() != execFailed || w.GetExitedAt().GetSeconds() < 1 {
		t.Errorf("the end of one that is deleted: %v", w)
	}
	y := ask("y")
	f.of("a", 0).end(0)
	if w := <-y; w.GetExitStatus() != execFailed {
		t.Errorf("the end of one whose container has ended: %v", w)
	}
	c.wait("a", "")
	c.fails(codes.FailedPrecondition, "Start", &task.StartRequest{ID: "a", ExecID: "y"})
	c.do("Delete", &task.DeleteRequest{ID: "a", ExecID: "y"})
	r.is(t, append(want, "exit a 1 0")...)
}

// An exec whose output nobody reads does not hold up the end of its container.
func TestExecWaitsForItsReader(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	path := filepath.Join(t.TempDir(), "out")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: "x", Stdout: path, Spec: &anypb.Any{Value: []byte("{}")}})
	started := make(chan error, 1)
	go func() { started <- c.try("Start", &task.StartRequest{ID: "a", ExecID: "x"}, &emptypb.Empty{}) }()
	for c.state("a", "x").GetStatus() != tasks.Status_RUNNING {
		time.Sleep(time.Millisecond)
	}
	f.of("a", 0).end(0)
	c.wait("a", "")
	if err := <-started; status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), errOver.Error()) {
		t.Errorf("Start = %v; want that the container has ended", err)
	}
	if got := c.wait("a", "x"); got != execFailed {
		t.Errorf("exit status of the exec %d; want %d", got, execFailed)
	}
}

// reads expects that a program finds this in its input, and then its end.
func reads(t *testing.T, s *stdio.Streams, want string) {
	t.Helper()
	in, _, _ := s.Files()
	read := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(in)
		if err != nil {
			b = []byte(err.Error())
		}
		read <- string(b)
	}()
	select {
	case got := <-read:
		if got != want {
			t.Errorf("the program reads %q; want %q", got, want)
		}
	case <-time.After(5 * time.Second):
		t.Error("the program waits for the end of its input")
	}
}

// A client that closes an exec's input while the program is still being brought
// to run is heard: the program would wait for the end for ever.
func TestInputClosedWhileEntering(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	path := filepath.Join(t.TempDir(), "in")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	client := make(chan *os.File, 1)
	go func() {
		w, _ := os.OpenFile(path, os.O_WRONLY, 0)
		client <- w
	}()
	f.entering = func(s *stdio.Streams) {
		w := <-client
		_, _ = w.WriteString("all")
		_ = w.Close()
		c.do("CloseIO", &task.CloseIORequest{ID: "a", ExecID: "x", Stdin: true})
		reads(t, s, "all")
	}
	c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: "x", Stdin: path, Spec: &anypb.Any{Value: []byte("{}")}})
	c.do("Start", &task.StartRequest{ID: "a", ExecID: "x"})
	f.of("a", 1).end(0)
	c.wait("a", "x")
}

// So is one that closes it before that, and lets go of its FIFO afterwards.
func TestInputClosedBeforeStart(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	path := filepath.Join(t.TempDir(), "in")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := os.OpenFile(path, os.O_RDWR, 0) // needs no reader
	if err != nil {
		t.Fatal(err)
	}
	f.entering = func(s *stdio.Streams) {
		_ = client.Close()
		reads(t, s, "")
	}
	c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: "x", Stdin: path, Spec: &anypb.Any{Value: []byte("{}")}})
	c.do("CloseIO", &task.CloseIORequest{ID: "a", ExecID: "x", Stdin: true})
	c.do("Start", &task.StartRequest{ID: "a", ExecID: "x"})
	f.of("a", 1).end(0)
	c.wait("a", "x")
}

// An end that comes while the start is not told of is told of afterwards.
func TestEndDuringStart(t *testing.T) {
	f, r, _, c := begin(t)
	f.starting, f.block, f.killing = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	c.create("a")
	started := make(chan error)
	go func() { started <- c.try("Start", &task.StartRequest{ID: "a"}, &emptypb.Empty{}) }()
	<-f.starting
	f.of("a", 0).end(0)
	<-f.killing // who waits for the end kills the rest of the cell first, then tells
	close(f.block)
	if err := <-started; err != nil {
		t.Errorf("Start: %v", err)
	}
	c.wait("a", "")
	r.is(t, "create", "start a 1", "exit a 1 0")
}

// One that was never started is deleted with its process.
func TestDeleteCreated(t *testing.T) {
	_, r, _, c := begin(t)
	c.create("a")
	c.do("Delete", &task.DeleteRequest{ID: "a"})
	r.is(t, "create", "exit a 1 137", "delete a 1 137")
}

// What is not there is said, not ignored.
func TestUnsupported(t *testing.T) {
	_, _, _, c := begin(t)
	c.create("a")
	c.fails(codes.Unimplemented, "Checkpoint", &task.CheckpointTaskRequest{ID: "a"})
	c.fails(codes.Unimplemented, "Create", &task.CreateTaskRequest{ID: "b", Checkpoint: "/c"})
	c.fails(codes.InvalidArgument, "Create", &task.CreateTaskRequest{ID: "b", Options: &anypb.Any{TypeUrl: "t", Value: []byte{1}}})
	c.fails(codes.InvalidArgument, "Update", &task.UpdateTaskRequest{ID: "a", Resources: &anypb.Any{Value: []byte("[")}})
	for method, request := range map[string]proto.Message{
		"Start": &task.StartRequest{ID: "z"}, "Delete": &task.DeleteRequest{ID: "z"}, "Exec": &task.ExecProcessRequest{ID: "z", ExecID: "x"},
		"Kill": &task.KillRequest{ID: "z"}, "Pids": &task.PidsRequest{ID: "z"}, "Pause": &task.PauseRequest{ID: "z"}, "Resume": &task.ResumeRequest{ID: "z"},
		"Stats": &task.StatsRequest{ID: "z"}, "Update": &task.UpdateTaskRequest{ID: "z"}, "CloseIO": &task.CloseIORequest{ID: "z"},
		"ResizePty": &task.ResizePtyRequest{ID: "z"}, "Wait": &task.WaitRequest{ID: "z"},
	} {
		c.fails(codes.NotFound, method, request)
	}
}

func TestLimitsAndUse(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	c.do("Update", &task.UpdateTaskRequest{ID: "a", Resources: &anypb.Any{Value: []byte(`{"pids":{"limit":9},"memory":{"limit":1}}`)}})
	if f.limit != 9 {
		t.Errorf("limit %d; want 9", f.limit)
	}
	// Nothing of what is asked for would be done: that is no success.
	memory := &task.UpdateTaskRequest{ID: "a", Resources: &anypb.Any{Value: []byte(`{"memory":{"limit":1},"cpu":{"shares":2}}`)}}
	if err := c.try("Update", memory, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "memory.limit") || !strings.Contains(err.Error(), "cpu.shares") {
		t.Errorf("Update of what cells lack = %v; want that it is unimplemented, and of which fields", err)
	}
	c.do("Update", &task.UpdateTaskRequest{ID: "a", Resources: &anypb.Any{Value: []byte(`{}`)}})
	if f.limit != 9 {
		t.Errorf("limit %d; want 9 as before", f.limit)
	}
	stats, used := &task.StatsResponse{}, &cgroups.Metrics{}
	if err := c.try("Stats", &task.StatsRequest{ID: "a"}, stats); err != nil || stats.GetStats().GetTypeUrl() != "io.containerd.cgroups.v2.Metrics" {
		t.Errorf("Stats = %v, %v", stats, err)
	}
	// nerdctl reads lists of each without a look whether it is there.
	if err := proto.Unmarshal(stats.GetStats().GetValue(), used); err != nil || used.GetPids() == nil || used.GetCPU() == nil || used.GetMemory() == nil || used.GetIo() == nil {
		t.Errorf("Stats are %v, %v; want pids, cpu, memory and io", used, err)
	}
	connect := &task.ConnectResponse{}
	if err := c.try("Connect", &task.ConnectRequest{ID: "a"}, connect); err != nil || connect.GetTaskPid() != 1 || int(connect.GetShimPid()) != os.Getpid() {
		t.Errorf("Connect = %v, %v", connect, err)
	}
}
