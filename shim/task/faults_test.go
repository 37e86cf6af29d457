package task

// What goes wrong: faults of the shim's own, and containers that end or go where
// nobody asked for it.

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v2"
	tasks "github.com/containerd/containerd/api/types/task"
	"github.com/netbsd-cells/runcell/runtime"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// One whose process has died before its start is not called started.
func TestStartOfOneThatDied(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	f.of("a", 0).end(9)
	c.wait("a", "")
	err := c.try("Start", &task.StartRequest{ID: "a"}, &task.StartResponse{})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "has ended, with status 137") {
		t.Errorf("Start = %v; want that the process has ended", err)
	}
}

// A fault in what is done for one container is that request's error.
func TestFaults(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	f.panics = true
	c.fails(codes.Internal, "Create", &task.CreateTaskRequest{ID: "b", Bundle: t.TempDir()})
	f.panics = false
	c.create("b") // its id is free
	f.fail = errors.New("no")
	c.fails(codes.Unknown, "Create", &task.CreateTaskRequest{ID: "c", Bundle: t.TempDir()})
	c.fails(codes.Unknown, "Start", &task.StartRequest{ID: "a"})
	f.fail = nil
	c.do("Start", &task.StartRequest{ID: "a"})
	c.do("Exec", &task.ExecProcessRequest{ID: "a", ExecID: "x"})
	f.fail = runtime.ErrPaused
	c.fails(codes.FailedPrecondition, "Start", &task.StartRequest{ID: "a", ExecID: "x"})
	if got := c.wait("a", "x"); got != execFailed {
		t.Errorf("exit status of an exec that did not run: %d", got)
	}
	c.do("Delete", &task.DeleteRequest{ID: "a", ExecID: "x"})
}

// So is one that comes while nobody asks: the process has ended for whoever waits,
// and the containers beside it go on.
func TestFaultWhileWaiting(t *testing.T) {
	f, r, _, c := begin(t)
	for _, id := range []string{"a", "b"} {
		c.create(id)
		c.do("Start", &task.StartRequest{ID: id})
	}
	close(f.of("a", 0).fail)
	if got := c.wait("a", ""); got != unknown {
		t.Errorf("exit status %d; want %d", got, unknown)
	}
	select {
	case <-f.of("a", 0).done:
	case <-time.After(10 * time.Second):
		t.Error("a process that nobody waits for lives on")
	}
	c.do("Exec", &task.ExecProcessRequest{ID: "b", ExecID: "x", Spec: &anypb.Any{Value: []byte("{}")}})
	c.do("Start", &task.StartRequest{ID: "b", ExecID: "x"})
	close(f.of("b", 1).fail)
	if got := c.wait("b", "x"); got != unknown {
		t.Errorf("exit status of the exec %d; want %d", got, unknown)
	}
	if got := c.state("b", "").GetStatus(); got != tasks.Status_RUNNING {
		t.Errorf("the container beside it: %v", got)
	}
	c.do("Delete", &task.DeleteRequest{ID: "a"})
	r.is(t, "create", "start a 1", "create", "start b 2", "exit a 1 255", "execadded", "exec-started x 3", "exit x 3 255", "delete a 1 255")
}

// A fault in a request leaves nothing locked.
func TestFaultInDelete(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	f.panics = true
	c.fails(codes.Internal, "Delete", &task.DeleteRequest{ID: "a"})
	f.panics = false
	f.of("a", 0).end(0)
	c.wait("a", "")
	c.do("Delete", &task.DeleteRequest{ID: "a"})
}

// A container that containerd has given up ends its making, and the shim.
func TestGivenUp(t *testing.T) {
	_, _, s, c := begin(t)
	fifo := filepath.Join(t.TempDir(), "fifo") // nobody reads it
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	created := make(chan error)
	go func() {
		created <- c.try("Create", &task.CreateTaskRequest{ID: "a", Bundle: t.TempDir(), Stdout: fifo}, &emptypb.Empty{})
	}()
	time.Sleep(50 * time.Millisecond)
	c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
	if err := <-created; status.Code(err) == codes.OK {
		t.Error("Create succeeded")
	}
	c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Error("the shim stays")
	}
}

// A container that was removed beside the shim does not keep it.
func TestRemovedByOthers(t *testing.T) {
	f, _, s, c := begin(t)
	c.create("a")
	c.do("Start", &task.StartRequest{ID: "a"})
	f.of("a", 0).end(9)
	c.wait("a", "")
	c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
	select {
	case <-s.Done():
		t.Fatal("the shim ends though its container is not deleted")
	default:
	}
	f.gone = true
	c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Error("the shim stays")
	}
}

// Who is told that the shim ends can start the next one: the name of the old one is
// gone by then. A container that is there keeps it.
func TestLeavesBeforeItAnswers(t *testing.T) {
	f, _, _, c := begin(t)
	c.create("a")
	c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
	if f.left.Load() != 0 {
		t.Error("the shim leaves its container")
	}
	c.do("Start", &task.StartRequest{ID: "a"})
	f.of("a", 0).end(0)
	c.wait("a", "")
	c.do("Delete", &task.DeleteRequest{ID: "a"})
	for range 2 {
		c.do("Shutdown", &task.ShutdownRequest{ID: "a"})
		if n := f.left.Load(); n != 1 {
			t.Fatalf("the shim has left %d times when Shutdown is answered", n)
		}
	}
}

// A record that can't be read holds up no other container.
func TestRecordThatHangs(t *testing.T) {
	f, _, s, c := begin(t)
	c.create("a")
	c.create("b")
	f.of("a", 0).end(0)
	c.wait("a", "")
	f.gone, f.asking, f.block = true, make(chan struct{}), make(chan struct{})
	over := make(chan error, 1)
	go func() { over <- c.try("Shutdown", &task.ShutdownRequest{ID: "a"}, &emptypb.Empty{}) }()
	<-f.asking
	c.state("b", "") // is answered
	close(f.block)
	if err := <-over; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := s.find("a"); err == nil {
		t.Error("a container that was removed is there")
	}
	if _, err := s.find("b"); err != nil {
		t.Errorf("find b: %v", err)
	}
}
