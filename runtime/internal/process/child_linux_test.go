package process

import (
	"errors"
	"os"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

func TestPidReuseIsNotTheContainer(t *testing.T) {
	start, ok := sys.StartTime(os.Getpid())
	if !ok || !sys.Alive(os.Getpid(), start) {
		t.Fatal("this process does not live")
	}
	if sys.Alive(os.Getpid(), start+1) {
		t.Error("a process with another start time counts as the container's")
	}
	if err := SignalProcess(os.Getpid(), start+1, 0); !errors.Is(err, ErrGone) {
		t.Errorf("signal to a reused pid = %v; want ErrGone", err)
	}
}
