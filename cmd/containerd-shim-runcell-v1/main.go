//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command containerd-shim-runcell-v1 is what containerd runs for the runtime
// io.containerd.runcell.v1: it stays as long as its containers do, which it
// makes by package runtime, without another program.
package main

import (
	"fmt"
	"os"
	goruntime "runtime"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/bootstrap"
	"github.com/opencontainers/runtime-spec/specs-go/features"
)

// The Makefile sets both with -ldflags "-X main.version=…".
var (
	version = "0.1.0"
	commit  = "unknown"
)

// The main goroutine stays on the main thread: threads that enter a cell are
// others, so /proc/self, which shows the main thread, stays the host's.
func init() { goruntime.LockOSThread() }

func main() {
	// A container whose entry point is /proc/self/exe would run this binary
	// as its first process, with the container's arguments and environment.
	if os.Getpid() == 1 {
		fmt.Fprintln(os.Stderr, "containerd-shim-runcell-v1: it does not run as a container's first process")
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "containerd-shim-runcell-v1:", err)
		os.Exit(1)
	}
}

func run() error {
	f, err := bootstrap.Parse(os.Args, os.Stderr)
	if err != nil {
		return err
	}
	switch {
	case f.Version:
		_, err = fmt.Fprintf(os.Stdout, "containerd-shim-runcell-v1 version %s\ncommit: %s\ngo: %s\n", version, commit, goruntime.Version())
		return err
	case f.Info:
		return info()
	case f.Action == "start":
		return bootstrap.Start(&f, os.Stdin, os.Stdout)
	case f.Action == "delete":
		e, err := openEngine(&f)
		if err != nil {
			return err
		}
		return bootstrap.Delete(&f, e, os.Stdout)
	}
	if err := runtime.Embed(); err != nil {
		return err
	}
	return serve(&f)
}

// info tells what this shim is, and what it can do here. A kernel that can't be asked
// is no reason to be silent: a container will say why it can't be made.
func info() error {
	var can *features.Features
	client, err := openBackend("/") // of no container
	if err == nil {
		var f kmod.Features
		if f, err = client.Features(); err == nil {
			can = oci.DescribeFeatures(f, version, commit)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "containerd-shim-runcell-v1: look at the kernel:", err)
	}
	return bootstrap.Info(os.Stdout, version, commit, can)
}
