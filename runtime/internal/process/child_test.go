package process

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// atMost is how long a test waits for what happens at once, unless it never does.
const atMost = 20 * time.Second

// sleeper forks a child that waits until it is told to end, with status 7.
func sleeper(t *testing.T, first ...stage.Step) (c *Child, end func()) {
	t.Helper()
	pid, end := forkSleeper(t, &stage.Program{Steps: first, ExitCode: 7})
	c = &Child{Pid: pid}
	t.Cleanup(func() { _ = c.End() })
	return c, end
}

func forkSleeper(t *testing.T, prog *stage.Program) (pid int, end func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	prog.Steps = append(prog.Steps, stage.Await("wait for the test", int(r.Fd())))
	if pid, err = prog.Start(); err != nil {
		t.Fatal(err)
	}
	return pid, func() {
		t.Helper()
		if _, err := w.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
	}
}

// soon fails the test where f does not return.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(atMost):
		t.Fatalf("%s has not returned", what)
	}
}

func TestChild(t *testing.T) {
	c, end := sleeper(t)
	if c.Reap() {
		t.Error("a child that lives is reaped")
	}
	if err := c.Signal(0); err != nil {
		t.Errorf("a signal to a child that lives: %v", err)
	}
	end()
	for range 2 {
		soon(t, "Wait", func() {
			if ws, err := c.Wait(); err != nil || ws.ExitStatus() != 7 {
				t.Errorf("Wait = %#x, %v; want status 7", ws, err)
			}
		})
	}
	if s, err := c.ExitStatus(); err != nil || s != 7 {
		t.Errorf("ExitStatus = %d, %v; want 7", s, err)
	}
	if !c.Reap() {
		t.Error("a child that was waited for is not reaped")
	}
	if err := c.Signal(0); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal to a child that was reaped: %v", err)
	}
}

func TestSignalsEndAChild(t *testing.T) {
	for name, end := range map[string]func(*Child) error{
		"Signal":    func(c *Child) error { return c.Signal(unix.SIGKILL) },
		"KillGroup": func(c *Child) error { c.KillGroup(); return nil },
		"End":       (*Child).End,
	} {
		c, _ := sleeper(t)
		if err := unix.Setpgid(c.Pid, c.Pid); err != nil { // it executes nothing
			t.Fatal(err)
		}
		if err := end(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		soon(t, name, func() {
			if s, err := c.ExitStatus(); err != nil || s != 128+int(unix.SIGKILL) {
				t.Errorf("%s: status %d, %v; want %d", name, s, err, 128+int(unix.SIGKILL))
			}
		})
	}
}

// A child that is not there yet is nobody: not the caller's process group, which 0
// stands for, and none of the caller's other children.
func TestChildBeforeItIsBorn(t *testing.T) {
	got := make(chan os.Signal, 4)
	signal.Notify(got, unix.SIGCONT, unix.SIGWINCH)
	defer signal.Stop(got)
	c := new(Child)
	if err := c.Signal(unix.SIGCONT); err != nil {
		t.Errorf("a signal to nobody: %v", err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	for s := range got { // the lower number comes first
		if s == unix.SIGWINCH {
			break
		}
		t.Errorf("this process has got %v", s)
	}

	other, end := sleeper(t)
	end()
	if err := awaitExit(other.Pid); err != nil {
		t.Fatal(err)
	}
	if c.Reap() {
		t.Error("a child that is not there is reaped")
	}
	if ws, err := other.Wait(); err != nil || ws.ExitStatus() != 7 {
		t.Errorf("Wait for another child = %#x, %v; want status 7", ws, err)
	}

	born, end := sleeper(t)
	c.Born(born.Pid)
	end()
	soon(t, "Wait", func() {
		if ws, err := c.Wait(); err != nil || ws.ExitStatus() != 7 {
			t.Errorf("Wait = %#x, %v; want status 7", ws, err)
		}
	})
	if none := (*Child)(nil); !none.Reap() {
		t.Error("no child is not reaped")
	}
}

// Once a child is reaped, its pid is another's.
func TestReapedChildIsNobody(t *testing.T) {
	other, end := sleeper(t)
	if err := unix.Setpgid(other.Pid, other.Pid); err != nil {
		t.Fatal(err)
	}
	c := &Child{Pid: other.Pid, reaped: true, status: 7 << 8}
	soon(t, "Wait", func() {
		if ws, err := c.Wait(); err != nil || ws.ExitStatus() != 7 {
			t.Errorf("Wait = %#x, %v; want status 7", ws, err)
		}
	})
	c.KillGroup()
	if err := c.Signal(unix.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal = %v", err)
	}
	end()
	soon(t, "Wait", func() {
		if ws, err := other.Wait(); err != nil || ws.ExitStatus() != 7 {
			t.Errorf("the process that has the pid now has ended with %#x, %v; want status 7", ws, err)
		}
	})
}

// Who else reaps a child is told of, each time.
func TestChildThatOthersReap(t *testing.T) {
	c, end := sleeper(t)
	end()
	if _, err := syscall.Wait4(c.Pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		soon(t, "Wait", func() {
			if _, err := c.Wait(); !errors.Is(err, unix.ECHILD) {
				t.Errorf("Wait = %v; want ECHILD", err)
			}
		})
	}
	if s, err := c.ExitStatus(); s != 1 || err == nil {
		t.Errorf("ExitStatus = %d, %v; want 1 and an error", s, err)
	}
}

// Children are reaped as they end, before they are watched or after it, and each
// one once.
func TestWatch(t *testing.T) {
	ended, end := sleeper(t)
	end()
	if err := awaitExit(ended.Pid); err != nil {
		t.Fatal(err)
	}
	reaped := func(what string, c *Child, ch <-chan struct{}) {
		t.Helper()
		soon(t, what, func() { <-ch })
		if !c.isReaped() {
			t.Errorf("%s was not reaped", what)
		}
	}
	reaped("who has ended", ended, ended.Watch())

	one, endOne := sleeper(t)
	two, endTwo := sleeper(t)
	seen, again, of := one.Watch(), one.Watch(), two.Watch()
	if seen != again {
		t.Error("who watches a child twice gets two channels")
	}
	select {
	case <-seen:
		t.Error("a child that lives has ended")
	default:
	}
	endOne()
	reaped("the first", one, seen)
	endTwo()
	reaped("the second", two, of)
	watched.mu.Lock()
	left := len(watched.children)
	watched.mu.Unlock()
	if left != 0 {
		t.Errorf("%d children are still watched", left)
	}
}

func TestAwait(t *testing.T) {
	c, end := sleeper(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Await(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Await = %v; want the context's end", err)
	}
	end()
	soon(t, "Await", func() {
		if ws, err := c.Await(t.Context()); err != nil || ws.ExitStatus() != 7 {
			t.Errorf("Await = %#x, %v; want status 7", ws, err)
		}
	})
}

// A child, and a group, is killed until it has gone: NetBSD drops a signal that comes
// at the end of an execve(2).
func TestKillIsRepeated(t *testing.T) {
	for _, group := range []bool{false, true} {
		var first []stage.Step
		if group {
			first = append(first, stage.Sys("own process group", unix.SYS_SETPGID, 0, 0))
		}
		c, _ := sleeper(t, first...)
		var sent []int // below c's lock
		c.send = func(pid int, s syscall.Signal) error {
			if sent = append(sent, pid); len(sent) < 3 {
				return nil // as if it was
			}
			return syscall.Kill(pid, s)
		}
		kill, want := c.Kill, c.Pid
		if group {
			kill, want = c.KillGroup, -c.Pid
		}
		kill()
		soon(t, "Wait for a child whose first signals were dropped", func() {
			if ws, err := c.Wait(); err != nil || ws.Signal() != unix.SIGKILL {
				t.Errorf("Wait = %#x, %v; want it killed", ws, err)
			}
		})
		kill() // nobody: the pid may be another's by now
		c.mu.Lock()
		if len(sent) < 3 || sent[0] != want || sent[2] != want {
			t.Errorf("signals were sent to %v; want three to %d", sent, want)
		}
		n := len(sent)
		c.mu.Unlock()
		kill()
		c.mu.Lock()
		if len(sent) != n {
			t.Error("a child that is reaped gets a signal")
		}
		c.mu.Unlock()
	}
}

// End ends one whose first signals were dropped.
func TestEndInsists(t *testing.T) {
	c, _ := sleeper(t)
	n := 0
	c.send = func(pid int, s syscall.Signal) error {
		if n++; n < 3 {
			return nil
		}
		return syscall.Kill(pid, s)
	}
	soon(t, "End", func() {
		if err := c.End(); err != nil {
			t.Errorf("End = %v", err)
		}
	})
}
