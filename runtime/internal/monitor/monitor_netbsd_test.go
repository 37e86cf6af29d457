package monitor

import (
	"os"
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
	c := state.At(t.TempDir(), "c")
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	proc := pausing(t)
	c.Pid = proc.Pid
	c.PidStart, _, _ = sys.StartTime(proc.Pid)
	monitor, err := Start(proc.Pid, c.Path(state.ExitFile))
	if err != nil {
		t.Fatal(err)
	}
	proc.Signal(syscall.SIGTERM)
	if _, err := proc.Wait(); err != nil {
		t.Fatal(err)
	}
	status, ok, err := Status(t.Context(), c)
	if !ok || err != nil || status != uint32(syscall.SIGTERM) {
		t.Errorf("Status = %#x, %v, %v; want %#x", status, ok, err, uint32(syscall.SIGTERM))
	}
	if ws, err := monitor.Wait(); err != nil || ws != 0 {
		t.Errorf("the monitor ended with %#x, %v", ws, err)
	}
	if _, err := Start(proc.Pid, c.Path(state.ExitFile)); err == nil {
		t.Error("a monitor watches a process that is gone")
	}
}
