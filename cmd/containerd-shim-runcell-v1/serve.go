package main

// Serving: from the socket that `start` has made to the last container's end.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"github.com/netbsd-cells/runcell/shim/bootstrap"
	"github.com/netbsd-cells/runcell/shim/events"
	"github.com/netbsd-cells/runcell/shim/task"
)

const (
	// socketFD is the descriptor of the socket.
	socketFD = 3
	// eventLimit and answerLimit are how long the last ones may take to be sent.
	eventLimit  = 3 * time.Second
	answerLimit = 50 * time.Millisecond
)

func serve(f *bootstrap.Flags) error {
	l, err := listener()
	if err != nil {
		return err
	}
	// A shim ends with its last container. Signals are caught, not ignored: that
	// would be so in the containers, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	logTo(2, f.Debug)
	dumpOnSignal()
	e, err := openEngine(f)
	if err != nil {
		return err
	}
	rest := newRest()
	server, err := ttrpc.NewServer(append(serverOptions(), ttrpc.WithUnaryServerInterceptor(rest.intercept))...)
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	queue := events.New(os.Getenv("TTRPC_ADDRESS"), f.Namespace)
	service := task.New(e, f.Namespace, queue.Send, func() { leave(f.Socket) })
	service.Register(server)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(context.Background(), l) }()
	select {
	case <-service.Done():
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	}
	within(eventLimit, "send the last events", queue.Close)
	within(answerLimit, "", server.Shutdown) // who waits for nothing keeps a connection
	return nil
}

// leave takes the socket's name away: nobody finds a shim that takes no container.
func leave(socket string) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.L.Errorf("remove socket: %v", err)
	}
}

// within gives something some time; with no name nobody needs to know that it
// took more.
func within(limit time.Duration, what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := do(ctx); err != nil && what != "" {
		log.L.Errorf("%s: %v", what, err)
	}
}

// listener takes the socket over.
func listener() (net.Listener, error) {
	file := os.NewFile(socketFD, "socket")
	l, err := net.FileListener(file) // has a descriptor of its own
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the name is taken away first
	return l, nil
}
