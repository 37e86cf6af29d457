package process

import (
	"errors"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// A pid with another start time is another process.
func TestReusedPid(t *testing.T) {
	pid, err := (&stage.Program{Steps: []stage.Step{stage.Sys("sleep", unix.SYS_POLL, 0, 0, ^uintptr(0))}}).Start()
	if err != nil {
		t.Fatal(err)
	}
	proc := &Child{Pid: pid}
	start, ok := sys.StartTime(proc.Pid)
	if !ok || !sys.Alive(proc.Pid, start) || sys.Alive(proc.Pid, start-1) {
		t.Errorf("the process started at %d, %v; alive: %v, and a microsecond earlier %v", start, ok, sys.Alive(proc.Pid, start), sys.Alive(proc.Pid, start-1))
	}
	if err := SignalProcess(proc.Pid, start-1, unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("a signal to another process with the pid: %v", err)
	}
	if !sys.Alive(proc.Pid, start) {
		t.Error("the signal hit")
	}
	if err := proc.End(); err != nil || sys.Alive(proc.Pid, start) {
		t.Errorf("after its end: %v, alive %v", err, sys.Alive(proc.Pid, start))
	}
}
