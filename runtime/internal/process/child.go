package process

// A forked child. os.Process would do, but it finds out whether the system
// has pidfds by forking once more, on whichever thread asks first: that
// process must not appear inside a cell, and costs time.

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// ErrGone means that a process is not there any more.
var ErrGone = errors.New("process is gone")

// Child is a process of ours that is waited for here alone: until it is reaped,
// its pid cannot be reused.
type Child struct {
	Pid int

	mu     sync.Mutex
	reaped bool
	send   func(pid int, s syscall.Signal) error // nil = kill(2)
	status syscall.WaitStatus                    // once it is reaped
	err    error                                 // why there is none: somebody else has reaped it
}

// Born gives a Child that others know already its process.
func (c *Child) Born(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Pid = pid
}

// Signal sends a signal. To a child that is not there yet it does nothing; of
// one that has been reaped it says os.ErrProcessDone.
func (c *Child) Signal(s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Pid == 0:
		return nil
	case c.reaped:
		return os.ErrProcessDone
	}
	return syscall.Kill(c.Pid, s)
}

// firstKill and mostKill are the pauses between two signals to one that is to end.
const firstKill, mostKill = 10 * time.Millisecond, time.Second

// Kill kills the child, which somebody waits for. It does so again and again until
// the child is reaped: NetBSD drops a signal that comes at the end of an execve(2),
// and kill(2) says that it was sent.
func (c *Child) Kill() { c.kill(1, firstKill) }

// KillGroup is Kill for the process group that the child leads.
func (c *Child) KillGroup() { c.kill(-1, firstKill) }

func (c *Child) kill(sign int, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped || c.Pid == 0 {
		return
	}
	send := syscall.Kill
	if c.send != nil {
		send = c.send
	}
	_ = send(sign*c.Pid, syscall.SIGKILL)
	time.AfterFunc(pause, func() { c.kill(sign, min(2*pause, mostKill)) })
}

// Wait reaps the child, and gives its status again afterwards. It first waits
// without reaping, so that a signal sent meanwhile cannot reach another process.
func (c *Child) Wait() (syscall.WaitStatus, error) {
	if !c.isReaped() {
		_ = awaitExit(c.Pid) // an error is one of wait4(2) as well, or it is reaped by now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reap(0)
	return c.status, c.err
}

func (c *Child) isReaped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reaped
}

// Reap reaps the child if it has ended, does not wait, and tells whether it is
// reaped. Until then it is in its cell, as NetBSD counts. No child (nil) is fine.
func (c *Child) Reap() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reap(syscall.WNOHANG)
	return c.reaped
}

func (c *Child) reap(options int) {
	if c.reaped || c.Pid == 0 {
		return
	}
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(c.Pid, &ws, options, nil)
	for errors.Is(err, syscall.EINTR) {
		pid, err = syscall.Wait4(c.Pid, &ws, options, nil)
	}
	switch {
	case err != nil:
		c.err = fmt.Errorf("wait for process %d: %w", c.Pid, err)
	case pid != c.Pid:
		return
	default:
		c.status = ws
	}
	c.reaped = true
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
	c.Kill()
	_, err := c.Wait()
	return err
}
