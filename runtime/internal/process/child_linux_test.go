package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// A child that hangs before its exec is ended with the context.
func TestStartEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hang := &stage.Program{Steps: []stage.Step{stage.Sys("hang", unix.SYS_PPOLL, 0, 0, 0, 0, 0)}}
	if _, err := StartProgram(ctx, hang); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("StartProgram = %v; want the context's end", err)
	}
}

// Who waits for a child does not keep others from ending it.
func TestWaitLeavesRoomForSignals(t *testing.T) {
	c, _ := sleeper(t)
	tid := make(chan int)
	done := make(chan struct{})
	go func() {
		defer close(done)
		goruntime.LockOSThread()
		defer goruntime.UnlockOSThread()
		tid <- unix.Gettid()
		if s, err := c.ExitStatus(); err != nil || s != 128+int(unix.SIGTERM) {
			t.Errorf("status %d, %v; want %d", s, err, 128+int(unix.SIGTERM))
		}
	}()
	waits := []string{strconv.Itoa(unix.SYS_WAITID), strconv.Itoa(unix.SYS_WAIT4)}
	for file := fmt.Sprintf("/proc/self/task/%d/syscall", <-tid); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if nr, _, _ := strings.Cut(string(b), " "); slices.Contains(waits, nr) {
			break
		}
	}
	soon(t, "Signal", func() {
		if err := c.Signal(unix.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	<-done
}

// Whatever is no process, or not the one that is meant, is gone.
func TestSignalProcess(t *testing.T) {
	c, _ := sleeper(t)
	start, ok, err := sys.StartTime(c.Pid)
	if !ok || err != nil {
		t.Fatalf("the child does not live: %v", err)
	}
	thread := make(chan int)
	go func() {
		goruntime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			go func() { goruntime.LockOSThread(); thread <- unix.Gettid(); <-t.Context().Done() }()
		} else {
			thread <- unix.Gettid()
		}
		<-t.Context().Done()
	}()
	for what, pid := range map[string]int{"no number": -1, "nobody": 1 << 30, "a thread": <-thread} {
		if err := SignalProcess(pid, start, 0); !errors.Is(err, ErrGone) {
			t.Errorf("a signal to %s (%d): %v; want ErrGone", what, pid, err)
		}
	}
	if err := SignalProcess(c.Pid, start, 12345); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a signal that there is not: %v; want EINVAL", err)
	}
	if err := SignalProcess(c.Pid, start, unix.SIGTERM); err != nil {
		t.Errorf("SignalProcess: %v", err)
	}
	soon(t, "Wait", func() {
		if ws, err := c.Wait(); err != nil || ws.Signal() != unix.SIGTERM {
			t.Errorf("Wait = %#x, %v; want SIGTERM", ws, err)
		}
	})
	if err := SignalProcess(c.Pid, start, 0); !errors.Is(err, ErrGone) {
		t.Errorf("a signal to who has ended: %v; want ErrGone", err)
	}
}

func TestPidReuseIsNotTheContainer(t *testing.T) {
	start, ok, err := sys.StartTime(os.Getpid())
	if !ok || err != nil {
		t.Fatalf("this process does not live: %v", err)
	}
	if err := SignalProcess(os.Getpid(), start+1, 0); !errors.Is(err, ErrGone) {
		t.Errorf("signal to a reused pid = %v; want ErrGone", err)
	}
}
