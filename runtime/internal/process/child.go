package process

// A forked child. os.Process would do, but it finds out whether the system
// has pidfds by forking once more, on whichever thread asks first: that
// process must not appear inside a cell, and costs time.

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// ErrGone means that a process is not there any more.
var ErrGone = errors.New("process is gone")

// Child is a process of ours that nobody else waits for: until it is reaped,
// its pid cannot be reused.
type Child struct {
	Pid    int
	mu     sync.Mutex
	reaped bool
}

// Born gives a Child that others know already its process.
func (c *Child) Born(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Pid = pid
}

// Signal sends a signal; to a reaped child, and to one that is not there yet,
// it does nothing.
func (c *Child) Signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped && c.Pid != 0 {
		_ = syscall.Kill(c.Pid, s)
	}
}

// SignalGroup signals the process group that the child leads.
func (c *Child) SignalGroup(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.Pid, s)
	}
}

// Wait reaps the child. It first waits without reaping, so that a signal sent
// meanwhile cannot reach another process.
func (c *Child) Wait() (syscall.WaitStatus, error) {
	if err := awaitExit(c.Pid); err != nil {
		return 0, fmt.Errorf("wait for process %d: %w", c.Pid, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.Pid, &ws, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		c.reaped = true
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", c.Pid, err)
		}
		return ws, nil
	}
}

// Reap reaps the child if it has ended, and does not wait. Until then it is in
// its cell, as NetBSD counts. No child (nil) is fine.
func (c *Child) Reap() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped || c.Pid == 0 {
		return
	}
	pid, err := syscall.Wait4(c.Pid, nil, syscall.WNOHANG, nil)
	c.reaped = pid == c.Pid || errors.Is(err, syscall.ECHILD)
}

// ExitStatus is Wait that gives the status as shells do, see ShellStatus.
func (c *Child) ExitStatus() (int, error) {
	ws, err := c.Wait()
	if err != nil {
		return 1, err
	}
	return ShellStatus(ws), nil
}

// ShellStatus translates a status of wait(2) as shells do: the exit status, or
// 128 + n for signal n.
func ShellStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// End kills the child and reaps it.
func (c *Child) End() error {
	c.Signal(syscall.SIGKILL)
	_, err := c.Wait()
	return err
}
