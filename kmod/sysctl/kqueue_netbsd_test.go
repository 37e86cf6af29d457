package sysctl

// Waiting for processes, on the running kernel. It needs no module.

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

const sleeperVariable = "RUNCELL_TEST_SLEEP"

// The test binary is also the process that is waited for.
func init() {
	if os.Getenv(sleeperVariable) != "" {
		_, _ = os.Stdout.WriteString("here")
		time.Sleep(time.Minute)
		os.Exit(0)
	}
}

// sleeper is a process that has said that it runs: what is sent to one before its
// execve(2) is over gets lost.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{sleeperVariable + "=1"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("wait for the process: %v", err)
	}
	return cmd
}

func TestWatch(t *testing.T) {
	cmd := sleeper(t)
	w, err := netbsd{}.watch(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status, err := w.wait(context.Background()); err != nil || status != uint32(syscall.SIGTERM) {
		t.Errorf("wait = %#x, %v; want %#x", status, err, syscall.SIGTERM)
	}
	// A process that nobody has reaped yet, and one that is gone.
	for range 2 {
		if again, err := (netbsd{}).watch(cmd.Process.Pid); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("watch of an ended process = %v, %v; want ESRCH", again, err)
		}
		_ = cmd.Wait()
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	w, err := netbsd{}.watch(sleeper(t).Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait = %v; want the deadline's error", err)
	}
	if _, err := w.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second wait = %v; want the deadline's error", err)
	}
}

func TestWatchLeavesNothingOpen(t *testing.T) {
	cmd := sleeper(t)
	fd := func() int {
		f, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		return int(f.Fd())
	}
	before := fd()
	for range 10 {
		w, err := netbsd{}.watch(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		w.close()
		_, _ = netbsd{}.watch(1 << 29)
	}
	if after := fd(); after != before {
		t.Errorf("the next descriptor is %d; want %d", after, before)
	}
}
