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
	start, ok, err := sys.StartTime(proc.Pid)
	if !ok || err != nil {
		t.Fatalf("the process started at %d, %v, %v", start, ok, err)
	}
	lives := func(start uint64, want bool) {
		t.Helper()
		if alive, err := sys.Alive(proc.Pid, start); alive != want || err != nil {
			t.Errorf("alive since %d: %v, %v; want %v", start, alive, err, want)
		}
	}
	lives(start, true)
	lives(start-1, false)
	if err := SignalProcess(proc.Pid, start-1, unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("a signal to another process with the pid: %v", err)
	}
	lives(start, true)
	if err := proc.End(); err != nil {
		t.Errorf("end: %v", err)
	}
	lives(start, false)
}
