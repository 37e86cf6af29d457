package runtime_test

import (
	"strings"
	"testing"
	"time"
)

// TestSignalsOfCreated: what asks a process to end ends one that waits to be
// started, and no other signal does.
func TestSignalsOfCreated(t *testing.T) {
	b := newBox(t)
	b.ok("create", "s")
	for _, sig := range []string{"USR1", "USR2", "ALRM", "WINCH", "CONT"} {
		b.ok("kill", "s", sig)
	}
	if out := b.ok("state", "s"); !strings.Contains(out, `"created"`) {
		t.Errorf("state after signals that do not end = %s; want created", out)
	}
	b.ok("kill", "s", "HUP")
	for end := time.Now().Add(5 * time.Second); !strings.Contains(b.ok("state", "s"), `"stopped"`); {
		if time.Now().After(end) {
			t.Fatal("HUP did not end the created container")
		}
		time.Sleep(time.Millisecond)
	}
	b.ok("delete", "s")
}
