package runtime

import (
	"syscall"
	"testing"
)

// What names and numbers there are is kmod/signame's.
func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"": 15, "sigkill": 9, "0": 0} {
		if got, err := ParseSignal(s); got != want || err != nil {
			t.Errorf("ParseSignal(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	if got, err := ParseSignal("NOPE"); err == nil {
		t.Errorf("ParseSignal(%q) = %d; want an error", "NOPE", got)
	}
}
