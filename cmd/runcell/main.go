// Command runcell is the OCI runtime for NetBSD Cells. Every subcommand has a
// file of its own: flags in, one call into the runtime, the answer printed.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
)

// The Makefile sets both with -ldflags "-X main.version=…".
var (
	version = "0.1.0"
	commit  = "unknown"
)

func init() { runtime.Calm() }

func main() {
	// A container whose entry point is /proc/self/exe would run this binary
	// as its first process, with the container's arguments and environment.
	if os.Getpid() == 1 {
		fmt.Fprintln(os.Stderr, "runcell: runcell does not run as a container's first process; start it through a shell or an init")
		os.Exit(cmdline.ExitFailure)
	}
	// A shell stops jobs in the background that use its terminal. That must not
	// stop a command that holds a container's lock, or has its process to reap.
	signal.Ignore(syscall.SIGTTIN, syscall.SIGTTOU)
	growStack()
	// The command is on the main thread, which no goroutine locks, so that nobody is
	// woken by a switch of threads. What enters a cell is on others, and /proc/self,
	// which shows the main thread, stays the host's: see process.OnThread.
	a := newApp()
	a.last = true
	os.Exit(a.main(os.Args))
}

// growStack makes the calling goroutine's stack as large as a command needs it, at
// once. Otherwise it is copied to one of twice the size four times, each of which
// is new memory, and the tables that the Go runtime looks into for that are a tenth
// of what is in memory of the program's file.
//
//go:noinline
func growStack() byte {
	var room [20 << 10]byte
	return room[len(os.Args)%len(room)]
}
