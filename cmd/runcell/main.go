// Command runcell is the OCI runtime for NetBSD Cells. Every subcommand has a
// file of its own: flags in, one call into the runtime, the answer printed.
package main

import (
	"fmt"
	"os"
	"os/signal"
	goruntime "runtime"
	"syscall"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
)

// The Makefile sets both with -ldflags "-X main.version=…".
var (
	version = "0.1.0"
	commit  = "unknown"
)

// The main goroutine keeps the main thread and does nothing: threads that enter a
// cell are others, so /proc/self, which shows the main thread, stays the host's. A
// goroutine that has a thread to itself is woken by a switch of threads each time,
// so the command is in another.
func init() {
	goruntime.LockOSThread()
	runtime.Calm()
}

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
	go func() {
		a := newApp()
		a.last = true
		os.Exit(a.main(os.Args))
	}()
	select {}
}
