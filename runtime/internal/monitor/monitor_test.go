package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// A container without a monitor's file has no status.
func TestNotMonitored(t *testing.T) {
	if _, known, err := Status(t.Context(), state.At(t.TempDir(), "c")); known || err != nil {
		t.Errorf("Status = %v, %v", known, err)
	}
}

// The file is empty for as long as the process lives, and what it holds then
// is the status; a monitor that was killed is not waited for.
func TestStatusIsAwaited(t *testing.T) {
	c := state.At(t.TempDir(), "c")
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(c.Path(state.ExitFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(nil)
	c.Pid = os.Getpid()
	c.PidStart, _, _ = sys.StartTime(c.Pid)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, known, err := Status(short, c); known || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Status of a process that lives = %v, %v; want the context's error", known, err)
	}
	c.PidStart++ // another process: ours is gone
	if _, known, err := Status(t.Context(), c); known || err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("Status after the monitor's end = %v, %v; want it lost", known, err)
	}
	write(binary.NativeEndian.AppendUint64(nil, 0x0900))
	if status, known, err := Status(t.Context(), c); status != 0x0900 || !known || err != nil {
		t.Errorf("Status = %#x, %v, %v; want 0x900", status, known, err)
	}
}
