package events

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	api "github.com/containerd/containerd/api/events"
	service "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// containerd takes events, as it does.
type containerd struct {
	mu     sync.Mutex
	got    []string
	refuse int // so many times first
	server *ttrpc.Server
	socket net.Listener
}

func (c *containerd) close() {
	_ = c.socket.Close()
	_ = c.server.Close()
}

func (c *containerd) Forward(_ context.Context, r *service.ForwardRequest) (*emptypb.Empty, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse > 0 {
		c.refuse--
		return nil, status.Error(codes.Unavailable, "not yet")
	}
	e := &api.TaskStart{}
	if err := proto.Unmarshal(r.GetEnvelope().GetEvent().GetValue(), e); err != nil {
		return nil, err
	}
	c.got = append(c.got, fmt.Sprint(r.GetEnvelope().GetNamespace(), r.GetEnvelope().GetTopic(), " ", r.GetEnvelope().GetEvent().GetTypeUrl(), " ", e.GetContainerID()))
	return &emptypb.Empty{}, nil
}

func (c *containerd) serve(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.socket = l
	if c.server, err = ttrpc.NewServer(); err != nil {
		t.Fatal(err)
	}
	service.RegisterTTRPCEventsService(c.server, c)
	go func() { _ = c.server.Serve(context.Background(), l) }()
	t.Cleanup(c.close)
}

func event(n int) proto.Message { return &api.TaskStart{ContainerID: fmt.Sprint(n)} }

func want(n int) string { return fmt.Sprint("ns/tasks/start containerd.events.TaskStart ", n) }

func closeQueue(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		t.Error(err)
	}
}

// Events wait for a containerd that is not there yet, refuses at first, and goes
// away in between, and come in order.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	q := New("unix://"+path, "ns")
	q.Send(event(0))
	time.Sleep(2 * minPause)
	c := &containerd{refuse: 2}
	c.serve(t, path)
	for n := 1; n < 20; n++ {
		if n == 10 {
			c.close()
		}
		q.Send(event(n))
		if n == 15 {
			c.serve(t, path)
		}
	}
	closeQueue(t, q)
	last := -1
	for n := range 20 { // one may come twice: its answer was lost
		for last+1 < len(c.got) && n > 0 && c.got[last+1] == want(n-1) {
			last++
		}
		if last++; last >= len(c.got) || c.got[last] != want(n) {
			t.Fatalf("event %d is %q of %q", n, want(n), c.got)
		}
	}
}

// An event that containerd refuses for a while, as it does while it starts, is not
// given up sooner than by its own shim.
func TestRefused(t *testing.T) {
	all, pause := time.Duration(0), minPause
	for range refusals - 1 {
		all, pause = all+pause, min(2*pause, maxPause)
	}
	if all < 13*time.Second {
		t.Errorf("an event that is refused is given up after %v", all)
	}
	path := filepath.Join(t.TempDir(), "s")
	c := &containerd{refuse: 5}
	c.serve(t, path)
	q := New(path, "ns")
	q.Send(event(0))
	closeQueue(t, q)
	if len(c.got) != 1 || c.got[0] != want(0) {
		t.Errorf("events %q; want %q", c.got, want(0))
	}
}

// A queue that nobody takes anything from is bounded, and its end does not wait
// for ever.
func TestNobody(t *testing.T) {
	q := New(filepath.Join(t.TempDir(), "s"), "ns")
	for n := range capacity + 10 {
		q.Send(event(n))
	}
	q.mu.Lock()
	if len(q.waiting) != capacity {
		t.Errorf("%d events wait; want %d", len(q.waiting), capacity)
	}
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := q.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v; want that the time is over", err)
	}
	q.Send(event(0)) // is dropped
}

func TestNoAddress(t *testing.T) {
	q := New("", "ns")
	q.Send(event(0))
	closeQueue(t, q)
}

// Every event of a task's has a topic.
func TestTopics(t *testing.T) {
	for _, e := range []proto.Message{
		&api.TaskCreate{}, &api.TaskStart{}, &api.TaskExit{}, &api.TaskDelete{}, &api.TaskExecAdded{}, &api.TaskExecStarted{}, &api.TaskPaused{}, &api.TaskResumed{},
	} {
		if topic(e) == "" {
			t.Errorf("%T has no topic", e)
		}
	}
	if got := topic(&api.ImageCreate{}); got != "" {
		t.Errorf("topic of an image's event = %q", got)
	}
}
