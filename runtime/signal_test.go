package runtime

import (
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/runtime/internal/signals"
)

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "9", "-1", "65", "", "sigusr1", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if sig, err := ParseSignal(s); err == nil && (sig < 0 || sig > signals.Last) {
			t.Errorf("ParseSignal(%q) = %d", s, sig)
		}
	})
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"": 15, "TERM": 15, "sigterm": 15, "SIGKILL": 9, "9": 9, "0": 0, "34": 34, "HUP": 1} {
		if got, err := ParseSignal(s); got != want || err != nil {
			t.Errorf("ParseSignal(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"NOPE", "-1", "65", "SIG", "9x"} {
		if got, err := ParseSignal(s); err == nil {
			t.Errorf("ParseSignal(%q) = %d; want an error", s, got)
		}
	}
}
