package process

import (
	"context"
	"errors"
	"os"
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

func TestPidReuseIsNotTheContainer(t *testing.T) {
	start, ok, err := sys.StartTime(os.Getpid())
	if !ok || err != nil {
		t.Fatalf("this process does not live: %v", err)
	}
	if err := SignalProcess(os.Getpid(), start+1, 0); !errors.Is(err, ErrGone) {
		t.Errorf("signal to a reused pid = %v; want ErrGone", err)
	}
}
