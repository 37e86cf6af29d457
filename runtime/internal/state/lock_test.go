package state

import (
	"errors"
	"testing"
	"time"
)

// created makes a container that was never there.
func created(t *testing.T, root, id string) *Container {
	t.Helper()
	c, err := Create(t.Context(), root, id, func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Release)
	return c
}

func TestLockIsExclusiveAndSurvivesRemoval(t *testing.T) {
	root := t.TempDir()
	c := created(t, root, "a")
	if _, err := Create(t.Context(), root, "a", func() (bool, error) { return false, nil }); !errors.Is(err, ErrExist) {
		t.Errorf("second Create = %v; want ErrExist", err)
	}
	if got, err := At(root, "a").TryLock(); got || err != nil {
		t.Errorf("TryLock of a locked container = %v, %v", got, err)
	}
	got := make(chan error)
	go func() {
		_, err := LoadLocked(t.Context(), root, "a")
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("LoadLocked did not wait for the lock: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if err := <-got; !errors.Is(err, ErrNotExist) {
		t.Errorf("LoadLocked of a removed container = %v; want ErrNotExist", err)
	}
	if got, err := At(root, "a").TryLock(); got || !errors.Is(err, ErrNotExist) {
		t.Errorf("TryLock of a removed container = %v, %v; want ErrNotExist", got, err)
	}
}

// Remains that somebody else cleared meanwhile are no reason to give up.
func TestCreateMakesWhatWasCleared(t *testing.T) {
	root := t.TempDir()
	old := created(t, root, "a")
	old.Release()
	c, err := Create(t.Context(), root, "a", func() (bool, error) { return true, old.Remove() })
	if err != nil {
		t.Fatal(err)
	}
	c.Release()
}
