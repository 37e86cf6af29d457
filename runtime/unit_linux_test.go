package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "9", "-1", "65", "", "sigusr1", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if sig, err := ParseSignal(s); err == nil && (sig < 0 || sig > maxSignal) {
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

func TestRollbackGoesBackwards(t *testing.T) {
	var order []string
	tx := &txn{}
	for _, n := range []string{"one", "two", "three"} {
		tx.did(n, func() error { order = append(order, n); return errors.New(n + " failed") })
	}
	err := tx.rollback()
	if got := strings.Join(order, " "); got != "three two one" {
		t.Errorf("undo order = %s", got)
	}
	if err == nil || !strings.Contains(err.Error(), "one failed") || !strings.Contains(err.Error(), "three failed") {
		t.Errorf("rollback = %v; want every failure", err)
	}
}

func TestLockIsExclusiveAndSurvivesRemoval(t *testing.T) {
	r := New(Options{Root: t.TempDir()})
	c, err := r.newContainer(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.newContainer(t.Context(), "a"); !errors.Is(err, state.ErrExist) {
		t.Errorf("second newContainer = %v; want ErrExist", err)
	}
	got := make(chan error)
	go func() {
		_, err := r.loadLocked("a")
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("loadLocked did not wait for the lock: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := c.remove(); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if err := <-got; !errors.Is(err, state.ErrNotExist) {
		t.Errorf("loadLocked of a removed container = %v; want ErrNotExist", err)
	}
}

func TestPidFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "pid")
	// A leftover of a killed command does not stop the next one.
	if err := os.WriteFile(filepath.Join(filepath.Dir(p), ".pid.new"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4711); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(p); string(b) != "4711" {
		t.Errorf("pid file = %q, %v; want digits and no newline", b, err)
	}
}
