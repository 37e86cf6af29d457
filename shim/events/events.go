// Package events sends what happens to tasks to containerd: in order, again
// until it is there, and without holding anybody up. containerd may be away for
// a while, since tasks go on when it is started anew.
package events

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	api "github.com/containerd/containerd/api/events"
	service "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"github.com/netbsd-cells/runcell/shim"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// capacity is how many events wait at most; then the oldest are dropped.
	capacity = 1024
	// refusals is how often an event is sent that containerd answers with an
	// error of its own, as it does while it starts: for some 15 seconds, as long as
	// its own shim tries (package runtime/v2/shim, RemoteEventsPublisher).
	refusals = 13
	// linger is how long a connection is kept without events.
	linger = 2 * time.Second

	sendLimit          = 5 * time.Second
	minPause, maxPause = 50 * time.Millisecond, 2 * time.Second
)

// Queue is the events that are on their way.
type Queue struct {
	namespace string
	dial      func() (net.Conn, error)

	mu      sync.Mutex
	waiting []*types.Envelope
	dropped int
	closed  bool
	more    chan struct{} // has an element if there is something to do
	done    chan struct{} // closed when nothing will be sent any more
}

// New gives the queue to the containerd at an address: a path of a socket, with
// or without unix:// before it. Without an address nothing is sent.
func New(address, namespace string) *Queue {
	path := strings.TrimPrefix(address, "unix://")
	q := newQueue(namespace, func() (net.Conn, error) { return net.DialTimeout("unix", path, sendLimit) })
	if path == "" {
		q.closed = true
		close(q.done)
		return q
	}
	shim.Go("send events", q.run)
	return q
}

func newQueue(namespace string, dial func() (net.Conn, error)) *Queue {
	return &Queue{namespace: namespace, dial: dial, more: make(chan struct{}, 1), done: make(chan struct{})}
}

// topic is what containerd files an event under (its runtime package's
// constants). An event without one is none of a task's.
func topic(event proto.Message) string {
	switch event.(type) {
	case *api.TaskCreate:
		return "/tasks/create"
	case *api.TaskStart:
		return "/tasks/start"
	case *api.TaskExit:
		return "/tasks/exit"
	case *api.TaskDelete:
		return "/tasks/delete"
	case *api.TaskExecAdded:
		return "/tasks/exec-added"
	case *api.TaskExecStarted:
		return "/tasks/exec-started"
	case *api.TaskPaused:
		return "/tasks/paused"
	case *api.TaskResumed:
		return "/tasks/resumed"
	}
	return ""
}

// Send puts an event at the queue's end. It does not wait.
func (q *Queue) Send(event proto.Message) {
	value, err := proto.Marshal(event)
	name := topic(event)
	if err != nil || name == "" {
		log.L.Errorf("send event %T: it is no task's, or can't be written: %v", event, err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if len(q.waiting) == capacity {
		q.waiting, q.dropped = q.waiting[1:], q.dropped+1
	}
	q.waiting = append(q.waiting, &types.Envelope{
		Timestamp: timestamppb.Now(), Namespace: q.namespace, Topic: name,
		Event: &anypb.Any{TypeUrl: string(event.ProtoReflect().Descriptor().FullName()), Value: value},
	})
	q.wake()
}

func (q *Queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// Close sends what is waiting, and returns when that is done or the context
// ends, whichever is first.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.wake()
	q.mu.Unlock()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("send the last events to containerd: %w", context.Cause(ctx))
	}
}

// run sends one event after the other. What is sent stays the first one of the
// queue until containerd has it.
func (q *Queue) run() {
	defer close(q.done)
	var client *ttrpc.Client
	hangUp := func() {
		if client != nil {
			_ = client.Close()
			client = nil
		}
	}
	defer hangUp()
	pause, refused := minPause, 0
	for {
		event, open := q.first()
		if event == nil && !open {
			return
		}
		if event == nil {
			select {
			case <-q.more:
			case <-time.After(linger):
				hangUp()
				<-q.more
			}
			continue
		}
		var err error
		if !shim.Guard("send event "+event.GetTopic(), func() { err = q.send(&client, event) }) {
			q.sent(event) // it would be the same again
			continue
		}
		if _, answered := status.FromError(err); err != nil && answered {
			if refused++; refused < refusals {
				time.Sleep(pause)
				pause = min(2*pause, maxPause)
				continue
			}
			log.L.Errorf("send event %s: containerd refuses it: %v", event.GetTopic(), err)
			err = nil
		}
		if err != nil { // nobody is there
			hangUp()
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		q.sent(event)
		pause, refused = minPause, 0
	}
}

// first is the event to send, nil if there is none; open tells whether more
// can come.
func (q *Queue) first() (event *types.Envelope, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dropped > 0 {
		log.L.Errorf("%d events are lost: containerd was away for too long", q.dropped)
		q.dropped = 0
	}
	if len(q.waiting) == 0 {
		q.waiting = nil // lets the array go
		return nil, !q.closed
	}
	return q.waiting[0], true
}

// sent takes an event away, unless it was dropped meanwhile.
func (q *Queue) sent(event *types.Envelope) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 && q.waiting[0] == event {
		q.waiting = q.waiting[1:]
	}
}

func (q *Queue) send(client **ttrpc.Client, event *types.Envelope) error {
	if *client == nil {
		conn, err := q.dial()
		if err != nil {
			return fmt.Errorf("connect to containerd: %w", err)
		}
		*client = ttrpc.NewClient(conn)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendLimit)
	defer cancel()
	_, err := service.NewTTRPCEventsClient(*client).Forward(ctx, &service.ForwardRequest{Envelope: event})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("send event: no answer in %v", sendLimit) // no status of containerd's
	}
	return err
}
