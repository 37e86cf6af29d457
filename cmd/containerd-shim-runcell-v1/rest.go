package main

// A shim does nothing most of the time, and there are many of them: some time
// after a request the memory that it took is given back.

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
)

// restAfter is how long after the last request.
const restAfter = 2 * time.Second

type rest struct{ timer *time.Timer }

func newRest() *rest {
	return &rest{time.AfterFunc(restAfter, giveBack)}
}

func giveBack() {
	debug.FreeOSMemory()
	dropProgram()
}

// intercept sets the time anew with each request, at its end: some take long.
func (r *rest) intercept(ctx context.Context, u ttrpc.Unmarshaler, info *ttrpc.UnaryServerInfo, m ttrpc.Method) (any, error) {
	began := time.Now()
	defer func() {
		r.timer.Reset(restAfter)
		log.L.Debugf("%s took %v", info.FullMethod, time.Since(began))
	}()
	return m(ctx, u)
}
