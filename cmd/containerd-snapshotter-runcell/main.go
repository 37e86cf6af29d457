// Command containerd-snapshotter-runcell is a snapshotter for containerd, a proxy
// plugin of type snapshot: a container's root is not a copy of its image, but shares
// with others what it has no need to write to. See package snapshots.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	goruntime "runtime"
	"syscall"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/shim/snapshots"
	"google.golang.org/grpc"
)

// The Makefile sets both with -ldflags "-X main.version=…".
var (
	version = "0.1.0"
	commit  = "unknown"
)

const name = "containerd-snapshotter-runcell"

// endLimit is how long what is being done may take after a signal.
const endLimit = 5 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	root := f.String("root", "/var/lib/containerd-snapshotter-runcell", "`directory` of the snapshots; one process serves it")
	address := f.String("address", "/var/run/containerd-snapshotter-runcell/sock", "`path` of the socket; its directory is root's alone")
	list := f.String("own", "", "top-level `directories` that each container gets copies of besides the usual ones: opt,usr; * is the whole image")
	v := f.Bool("version", false, "print the version")
	switch err := f.Parse(args); {
	case err != nil:
		return err
	case *v:
		_, err := fmt.Fprintf(os.Stdout, "%s version %s\ncommit: %s\ngo: %s\n", name, version, commit, goruntime.Version())
		return err
	case f.NArg() > 0:
		return fmt.Errorf("argument %q: there are flags only", f.Arg(0))
	}
	own, err := snapshots.ParseOwn(*list)
	if err != nil {
		return fmt.Errorf("--own: %w", err)
	}
	if *root, err = filepath.Abs(*root); err != nil {
		return err
	}
	store, err := snapshots.Open(*root, own)
	if err != nil {
		return err
	}
	return errors.Join(serve(store, *address), store.Close())
}

// serve answers until a signal comes.
func serve(store *snapshots.Store, address string) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	// Who reads its log may end first, which is no reason to end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	l, err := listen(address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	snapshots.Register(server, store)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }() // which closes it, and so takes its name away
	log.L.Infof("%s %s serves %s", name, version, address)
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-ended:
	}
	late := time.AfterFunc(endLimit, server.Stop)
	server.GracefulStop()
	late.Stop()
	return nil
}

// lockLimit is how long others may take with their sockets.
const lockLimit = 5 * time.Second

// listen makes the socket. One that is there and that nobody answers is a killed
// snapshotter's. Two that are started at once, for two stores by mistake, would both
// find nobody: one after the other looks.
func listen(address string) (net.Listener, error) {
	dir := filepath.Dir(address)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of socket: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock sockets: %w", err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeoutCause(context.Background(), lockLimit, fmt.Errorf("others hold it for %v", lockLimit))
	defer cancel()
	if err := flock.Lock(ctx, int(lock.Fd()), flock.Exclusive); err != nil {
		return nil, fmt.Errorf("lock sockets in %s: %w", dir, err)
	}
	if c, err := net.Dial("unix", address); err == nil {
		return nil, errors.Join(fmt.Errorf("socket %s: somebody answers there: give another --address", address), c.Close())
	}
	if fi, err := os.Lstat(address); err == nil && fi.Mode().Type() == os.ModeSocket {
		if err := os.Remove(address); err != nil {
			return nil, fmt.Errorf("remove old socket: %w", err)
		}
	}
	l, err := net.Listen("unix", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(address, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
