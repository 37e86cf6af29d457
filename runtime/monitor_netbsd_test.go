package runtime

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// pausing is a child that sleeps until a signal ends it.
func pausing(t *testing.T) *process.Child {
	t.Helper()
	pid, err := (&stage.Program{Steps: []stage.Step{stage.Sys("sleep", unix.SYS_POLL, 0, 0, ^uintptr(0))}}).Start()
	if err != nil {
		t.Fatal(err)
	}
	return &process.Child{Pid: pid}
}

// The monitor writes how a process ended that is not its child, and ends.
func TestMonitor(t *testing.T) {
	c := &container{Container: &state.Container{Dir: t.TempDir(), Lock: -1}}
	f, err := os.Create(filepath.Join(c.Dir, state.ExitFile))
	if err != nil {
		t.Fatal(err)
	}
	proc := pausing(t)
	c.Pid = proc.Pid
	c.PidStart, _ = sys.StartTime(proc.Pid)
	monitor, err := startMonitorOf(proc.Pid, int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	proc.Signal(syscall.SIGTERM)
	if _, err := proc.Wait(); err != nil {
		t.Fatal(err)
	}
	status, ok, err := c.monitored(t.Context())
	if !ok || err != nil || status != uint32(syscall.SIGTERM) {
		t.Errorf("monitored = %#x, %v, %v; want %#x", status, ok, err, uint32(syscall.SIGTERM))
	}
	if ws, err := monitor.Wait(); err != nil || ws != 0 {
		t.Errorf("the monitor ended with %#x, %v", ws, err)
	}
	if _, err := startMonitorOf(proc.Pid, int(f.Fd())); err == nil {
		t.Error("a monitor watches a process that is gone")
	}
}

// A container without a monitor's file has no status.
func TestNotMonitored(t *testing.T) {
	c := &container{Container: &state.Container{Dir: t.TempDir(), Lock: -1}}
	if _, ok, err := c.monitored(t.Context()); ok || err != nil {
		t.Errorf("monitored = %v, %v", ok, err)
	}
}

// A pid with another start time is another process.
func TestReusedPid(t *testing.T) {
	proc := pausing(t)
	start, ok := sys.StartTime(proc.Pid)
	if !ok || !sys.Alive(proc.Pid, start) || sys.Alive(proc.Pid, start-1) {
		t.Errorf("the process started at %d, %v; alive: %v, and a microsecond earlier %v", start, ok, sys.Alive(proc.Pid, start), sys.Alive(proc.Pid, start-1))
	}
	if err := process.SignalProcess(proc.Pid, start-1, unix.SIGKILL); err != state.ErrNotRunning {
		t.Errorf("a signal to another process with the pid: %v", err)
	}
	if !sys.Alive(proc.Pid, start) {
		t.Error("the signal hit")
	}
	if err := proc.End(); err != nil || sys.Alive(proc.Pid, start) {
		t.Errorf("after its end: %v, alive %v", err, sys.Alive(proc.Pid, start))
	}
}
