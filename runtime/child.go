package runtime

// A forked child. os.Process would do, but it finds out whether the system
// has pidfds by forking once more, on whichever thread asks first: that
// process must not appear inside a cell, and costs time.

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// errGone means that a process is not there any more.
var errGone = errors.New("process is gone")

// child is a process of ours that nobody else waits for: until it is reaped,
// its pid cannot be reused.
type child struct {
	pid    int
	mu     sync.Mutex
	reaped bool
}

// signal sends a signal; to a reaped child it does nothing.
func (c *child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(c.pid, s)
	}
}

// signalGroup signals the process group that the child leads.
func (c *child) signalGroup(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.pid, s)
	}
}

// wait reaps the child. It first waits without reaping, so that a signal sent
// meanwhile cannot reach another process.
func (c *child) wait() (syscall.WaitStatus, error) {
	if err := awaitExit(c.pid); err != nil {
		return 0, fmt.Errorf("wait for process %d: %w", c.pid, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.pid, &ws, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		c.reaped = true
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", c.pid, err)
		}
		return ws, nil
	}
}

// end kills the child and reaps it.
func (c *child) end() error {
	c.signal(syscall.SIGKILL)
	_, err := c.wait()
	return err
}
