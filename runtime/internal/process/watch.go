package process

// Children of a program that goes on with other things, and has children of its
// own: each is asked for by its pid, and none has a thread that waits for it.

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// watched are the children that have not been reaped.
var watched = struct {
	start    sync.Once
	mu       sync.Mutex
	children map[*Child]chan struct{} // closed when the child is reaped
}{children: map[*Child]chan struct{}{}}

// Watch has the child reaped as soon as it ends, and gives what is closed then.
// From the first call on this process catches SIGCHLD: the kernel would reap
// children itself where it is ignored.
func (c *Child) Watch() <-chan struct{} {
	watched.start.Do(func() {
		ended := make(chan os.Signal, 1) // one that waits stands for all that follow
		signal.Notify(ended, syscall.SIGCHLD)
		go func() {
			for range ended {
				reapWatched()
			}
		}()
	})
	watched.mu.Lock()
	defer watched.mu.Unlock()
	reaped, ok := watched.children[c]
	if !ok {
		reaped = make(chan struct{})
		watched.children[c] = reaped
	}
	c.reapWatched(reaped) // it may have ended before
	return reaped
}

func reapWatched() {
	watched.mu.Lock()
	defer watched.mu.Unlock()
	for c, reaped := range watched.children {
		c.reapWatched(reaped)
	}
}

func (c *Child) reapWatched(reaped chan struct{}) {
	if c.Reap() {
		delete(watched.children, c)
		close(reaped)
	}
}

// Await waits for the end of the child, or of the context.
func (c *Child) Await(ctx context.Context) (syscall.WaitStatus, error) {
	select {
	case <-c.Watch():
		return c.Wait()
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for process %d: %w", c.Pid, context.Cause(ctx))
	}
}
