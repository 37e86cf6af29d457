package task

// The service by its names, and what holds for every request.

import (
	"context"
	"runtime/debug"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// services are the names that the service has. containerd 1.x asks for the
// first, 2.x for the second.
var services = []string{"containerd.task.v2.Task", "containerd.task.v3.Task"}

// Register lets a server serve it.
func (s *Service) Register(server *ttrpc.Server) {
	for _, name := range services {
		server.Register(name, s.methods())
	}
}

func (s *Service) methods() map[string]ttrpc.Method {
	return map[string]ttrpc.Method{
		"Checkpoint": method(s.Checkpoint), "CloseIO": method(s.CloseIO), "Connect": method(s.Connect), "Create": method(s.Create),
		"Delete": method(s.Delete), "Exec": method(s.Exec), "Kill": method(s.Kill), "Pause": method(s.Pause), "Pids": method(s.Pids),
		"ResizePty": method(s.ResizePty), "Resume": method(s.Resume), "Shutdown": method(s.Shutdown), "Start": method(s.Start),
		"State": method(s.State), "Stats": method(s.Stats), "Update": method(s.Update), "Wait": method(s.Wait),
	}
}

// message is a pointer to a request's struct.
type message[T any] interface {
	*T
	proto.Message
}

// method makes one of ttrpc's of one of ours. A fault in it is its caller's
// error, and nobody else's.
func method[T any, Request message[T], Answer proto.Message](f func(context.Context, Request) (Answer, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (answer any, err error) {
		defer func() {
			if r := recover(); r != nil {
				log.L.Errorf("%v\n%s", r, debug.Stack())
				answer, err = nil, status.Errorf(codes.Internal, "a fault in the shim: %v", r)
			}
		}()
		r := Request(new(T))
		if err := unmarshal(r); err != nil {
			return nil, err
		}
		a, err := f(ctx, r)
		if err != nil {
			return nil, coded(err)
		}
		return a, nil
	}
}
