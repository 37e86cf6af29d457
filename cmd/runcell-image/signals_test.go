package main

// Waits and long work that a signal ends.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// lockedBuffer is written to by a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An image does not go into the store that it is in by the store's path: that
// waited for itself.
func TestOwnStoreIsRefused(t *testing.T) {
	dir, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(store, link); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runImage("image", "pack", "--store", store, "--cmd", "/x", dir, "web"); code != 0 {
		t.Fatal(stderr)
	}
	for _, args := range [][]string{
		{"push", "--store", store, "web", "oci:" + store + ":other"},
		{"push", "--store", store, "web", "oci:" + link},
		{"push", "--store", link, "web", store},
		{"pack", "--store", store, dir, "oci:" + store + ":other"},
		{"pack", "--store", store, "--base", "web", dir, "oci:" + link + ":other"},
	} {
		_, stderr, code := runImage(append([]string{"image"}, args...)...)
		if code != 1 || !strings.Contains(stderr, "is the store itself") {
			t.Errorf("image %v = %d, %s; want a refusal", args, code, stderr)
		}
	}
	// What the refusal says is a way.
	if _, stderr, code := runImage("image", "tag", "--store", store, "localhost/web:latest", "other"); code != 0 {
		t.Errorf("tag: %s", stderr)
	}
	if _, stderr, code := runImage("image", "import", "--store", store, "oci:"+store+":localhost/web:latest", "third"); code != 0 {
		t.Errorf("import out of the store itself: %s", stderr)
	}
}

// A wait for another command says what it is for, and a signal ends it.
func TestWaitsEndOnSignals(t *testing.T) {
	program := filepath.Join(t.TempDir(), "runcell-image")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, layout := t.TempDir(), filepath.Join(t.TempDir(), "layout")
	if _, stderr, code := runImage("image", "pack", "--cmd", "/x", dir, "oci:"+layout+":one"); code != 0 {
		t.Fatal(stderr)
	}
	index, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(layout)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if ok, err := flock.Try(int(held.Fd()), flock.Shared); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		var stderr lockedBuffer
		cmd := exec.Command(program, "image", "pack", "--cmd", "/y", dir, "oci:"+layout+":two")
		cmd.Args[0], cmd.Stderr = "runcell", &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		for deadline := time.Now().Add(time.Minute); !strings.Contains(stderr.String(), "runcell: wait until another runcell has done its work on "+layout); {
			if time.Now().After(deadline) {
				t.Fatalf("it does not say what it waits for: %s", stderr.String())
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		end.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) || !strings.Contains(stderr.String(), "interrupted by "+unix.SignalName(sig)) {
			t.Errorf("after %v: %v, %s; want status %d", sig, cmd.ProcessState, stderr.String(), 128+int(sig))
		}
		if now, err := os.ReadFile(filepath.Join(layout, "index.json")); err != nil || !bytes.Equal(now, index) {
			t.Errorf("after %v the layout has changed: %v, %s", sig, err, now)
		}
	}
}

// A pipe whose writer is silent is waited for, until a signal comes.
func TestPipeEndsOnSignals(t *testing.T) {
	program := filepath.Join(t.TempDir(), "runcell-image")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, transport := range []string{"docker-archive", "oci-archive"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr lockedBuffer
		cmd := exec.Command(program, "image", "import", "--store", filepath.Join(t.TempDir(), "store"), transport+":/dev/stdin")
		cmd.Args[0], cmd.Stdin, cmd.Stderr = "runcell", r, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		for deadline := time.Now().Add(time.Minute); !strings.Contains(stderr.String(), "wait until something comes through /dev/stdin"); {
			if time.Now().After(deadline) {
				t.Fatalf("it does not say what it waits for: %s", stderr.String())
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
		end.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(unix.SIGTERM) || !strings.Contains(stderr.String(), "interrupted by SIGTERM") {
			t.Errorf("%s: %v, %s; want status 143", transport, cmd.ProcessState, stderr.String())
		}
		w.Close()
		r.Close()
	}
}
