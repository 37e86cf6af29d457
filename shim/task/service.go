package task

// The service: which containers there are, and when the shim has nothing to do
// any more.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim"
	"google.golang.org/protobuf/proto"
)

// idleLimit is how long a shim stays that has no container: one that containerd
// has forgotten about would stay for ever.
const idleLimit = 20 * time.Second

// Service serves the containers of one shim.
type Service struct {
	engine    Engine
	namespace string
	send      func(proto.Message)
	leave     func()

	mu         sync.Mutex
	containers map[string]*container
	creating   map[string]context.CancelCauseFunc // by id
	idle       *time.Timer                        // runs while there is none of both
	done       chan struct{}
	closed     bool
}

// New gives a service of no containers, for a namespace of containerd's. Events
// go to send, which does not wait. leave is called once, when the shim takes no container
// any more and before anybody is told so: who is told may start the next one at once.
func New(engine Engine, namespace string, send func(proto.Message), leave func()) *Service {
	s := &Service{
		engine: engine, namespace: namespace, send: send, leave: leave, done: make(chan struct{}),
		containers: map[string]*container{}, creating: map[string]context.CancelCauseFunc{},
	}
	s.idle = s.retireLater()
	return s
}

// Done is closed when the shim has nothing to do any more.
func (s *Service) Done() <-chan struct{} { return s.done }

// reserve takes an id for a container that is being made. The context ends when
// nobody wants it any more.
func (s *Service) reserve(ctx context.Context, id string) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, precondition("create %q: the shim is about to end; try again", id)
	case s.containers[id] != nil || s.creating[id] != nil:
		return nil, fmt.Errorf("create %q: %w", id, runtime.ErrExist)
	}
	ctx, s.creating[id] = context.WithCancelCause(ctx)
	s.idle.Stop()
	return ctx, nil
}

// settle ends what reserve began: c is the container, nil if there is none.
func (s *Service) settle(id string, c *container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creating[id](context.Canceled)
	delete(s.creating, id)
	if c != nil {
		s.containers[id] = c
	}
	s.restIfEmpty()
}

// forget takes away a container that is deleted.
func (s *Service) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.containers, id)
	s.restIfEmpty()
}

func (s *Service) restIfEmpty() {
	if s.empty() {
		s.idle.Reset(idleLimit)
	}
}

func (s *Service) empty() bool { return len(s.containers)+len(s.creating) == 0 }

// giveUp ends the making of a container that containerd does not want any more.
func (s *Service) giveUp(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.creating[id]; cancel != nil {
		cancel(fmt.Errorf("create %q: containerd has given it up", id))
		s.idle.Reset(0)
	}
}

// retireLater ends it some time later if it has none then.
func (s *Service) retireLater() *time.Timer {
	return time.AfterFunc(idleLimit, func() { shim.Guard("look for containers that are gone", s.closeIfEmpty) })
}

// closeIfEmpty ends a shim that has no container. One that has ended and has no
// record any more was removed by `delete`, and nobody asks for it again.
func (s *Service) closeIfEmpty() {
	gone := slices.DeleteFunc(s.over(), func(c *container) bool {
		_, err := s.engine.State(c.id) // without the lock: a disk that hangs holds nobody up
		return !errors.Is(err, runtime.ErrNotExist)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range gone {
		if s.containers[c.id] == c { // no other one by now
			delete(s.containers, c.id)
		}
	}
	if s.empty() && !s.closed {
		s.closed = true
		s.leave()
		close(s.done)
	}
}

// over lists the containers that have ended.
func (s *Service) over() (all []*container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.containers {
		if c.init.look().phase == ended {
			all = append(all, c)
		}
	}
	return all
}

func (s *Service) find(id string) (*container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.containers[id]; c != nil {
		return c, nil
	}
	return nil, notFound("container %q: there is none in this shim", id)
}
