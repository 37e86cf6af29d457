package main

// SIGUSR1 has the shim say what its goroutines do, as it has containerd's: without a
// handler the signal would end it, and its containers.

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/containerd/log"
)

// dumpLimit bounds a dump, in bytes: containerd's log is a FIFO, which holds this much.
const dumpLimit = 60 << 10

func dumpOnSignal() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			b := make([]byte, dumpLimit)
			log.L.Warnf("goroutines, as SIGUSR1 asks:\n%s", b[:runtime.Stack(b, true)])
		}
	}()
}
