package flock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// two opens a file twice: locks belong to open files, so the two are as good as
// two processes.
func two(t *testing.T) (a, b int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	var fds [2]int
	for i := range fds {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fds[i] = int(f.Fd())
	}
	return fds[0], fds[1]
}

func TestTry(t *testing.T) {
	for _, c := range []struct {
		first, second Mode
		want          bool
	}{{Shared, Shared, true}, {Shared, Exclusive, false}, {Exclusive, Shared, false}, {Exclusive, Exclusive, false}} {
		a, b := two(t)
		if locked, err := Try(a, c.first); !locked || err != nil {
			t.Fatalf("Try of a file without locks = %v, %v", locked, err)
		}
		if locked, err := Try(b, c.second); locked != c.want || err != nil {
			t.Errorf("Try(%d) of a file locked %d = %v, %v; want %v", c.second, c.first, locked, err, c.want)
		}
		if err := Unlock(a); err != nil {
			t.Fatal(err)
		}
		if locked, err := Try(b, Exclusive); !locked || err != nil {
			t.Errorf("Try of an unlocked file = %v, %v", locked, err)
		}
	}
	if _, err := Try(-1, Shared); !errors.Is(err, unix.EBADF) {
		t.Errorf("Try(-1) = %v; want EBADF", err)
	}
}

// A wait ends with the lock or with its context, whatever comes first.
func TestLock(t *testing.T) {
	a, b := two(t)
	if err := Lock(context.Background(), a, Exclusive); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { stop(stopped) })
	if err := Lock(ctx, b, Exclusive); !errors.Is(err, stopped) {
		t.Errorf("Lock of a locked file = %v; want %v", err, stopped)
	}
	for _, ctx := range []context.Context{context.Background(), t.Context()} { // asleep in the kernel, and not
		done := make(chan error, 1)
		go func() { done <- Lock(ctx, b, Exclusive) }()
		select {
		case err := <-done:
			t.Fatalf("Lock of a locked file did not wait: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := Unlock(a); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		a, b = b, a
	}
	if err := Lock(t.Context(), -1, Shared); !errors.Is(err, unix.EBADF) {
		t.Errorf("Lock(-1) = %v; want EBADF", err)
	}
}
