package process

import (
	"errors"
	"os"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

func TestPidReuseIsNotTheContainer(t *testing.T) {
	start, ok, err := sys.StartTime(os.Getpid())
	if !ok || err != nil {
		t.Fatalf("this process does not live: %v", err)
	}
	if err := SignalProcess(os.Getpid(), start+1, 0); !errors.Is(err, ErrGone) {
		t.Errorf("signal to a reused pid = %v; want ErrGone", err)
	}
}
