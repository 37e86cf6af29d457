package runtime

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// pausing is a child that sleeps until a signal ends it.
func pausing(t *testing.T) *child {
	t.Helper()
	pid, err := (&stage.Program{Steps: []stage.Step{stage.Sys("sleep", unix.SYS_POLL, 0, 0, ^uintptr(0))}}).Start()
	if err != nil {
		t.Fatal(err)
	}
	return &child{pid: pid}
}

// The monitor writes how a process ended that is not its child, and ends.
func TestMonitor(t *testing.T) {
	c := &container{stored: &stored{dir: t.TempDir(), lock: -1}}
	f, err := os.Create(filepath.Join(c.dir, exitFile))
	if err != nil {
		t.Fatal(err)
	}
	proc := pausing(t)
	c.Pid = proc.pid
	c.PidStart, _ = startTime(proc.pid)
	monitor, err := startMonitorOf(proc.pid, int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	proc.signal(syscall.SIGTERM)
	if _, err := proc.wait(); err != nil {
		t.Fatal(err)
	}
	status, ok, err := c.monitored(t.Context())
	if !ok || err != nil || status != uint32(syscall.SIGTERM) {
		t.Errorf("monitored = %#x, %v, %v; want %#x", status, ok, err, uint32(syscall.SIGTERM))
	}
	if ws, err := monitor.wait(); err != nil || ws != 0 {
		t.Errorf("the monitor ended with %#x, %v", ws, err)
	}
	if _, err := startMonitorOf(proc.pid, int(f.Fd())); err == nil {
		t.Error("a monitor watches a process that is gone")
	}
}

// A container without a monitor's file has no status.
func TestNotMonitored(t *testing.T) {
	c := &container{stored: &stored{dir: t.TempDir(), lock: -1}}
	if _, ok, err := c.monitored(t.Context()); ok || err != nil {
		t.Errorf("monitored = %v, %v", ok, err)
	}
}

// A pid with another start time is another process.
func TestReusedPid(t *testing.T) {
	proc := pausing(t)
	start, ok := startTime(proc.pid)
	if !ok || !alive(proc.pid, start) || alive(proc.pid, start-1) {
		t.Errorf("the process started at %d, %v; alive: %v, and a microsecond earlier %v", start, ok, alive(proc.pid, start), alive(proc.pid, start-1))
	}
	if err := signalProcess(proc.pid, start-1, unix.SIGKILL); err != ErrNotRunning {
		t.Errorf("a signal to another process with the pid: %v", err)
	}
	if !alive(proc.pid, start) {
		t.Error("the signal hit")
	}
	if err := proc.end(); err != nil || alive(proc.pid, start) {
		t.Errorf("after its end: %v, alive %v", err, alive(proc.pid, start))
	}
}

// From securelevel 2 on there are no new mounts.
func TestSecurelevel(t *testing.T) {
	if err := checkSecurelevel(); err != nil {
		t.Errorf("checkSecurelevel = %v", err)
	}
	for level, refused := range map[int32]bool{-1: false, 0: false, 1: false, 2: true, 3: true} {
		if err := securelevelError(level); (err != nil) != refused {
			t.Errorf("securelevelError(%d) = %v", level, err)
		}
	}
}
