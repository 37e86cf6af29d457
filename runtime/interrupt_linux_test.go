package runtime_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
)

// locked holds a container's lock as another command does, until release.
func (b *box) locked(id string) (release func()) {
	b.t.Helper()
	dir, err := os.Open(filepath.Join(b.root, id))
	if err != nil {
		b.t.Fatal(err)
	}
	if got, err := flock.Try(int(dir.Fd()), flock.Exclusive); !got || err != nil {
		b.t.Fatal(got, err)
	}
	return func() { _ = dir.Close() }
}

// begin starts a command, whose messages go to errs.
func (b *box) begin(errs *bytes.Buffer, args ...string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = b.bundle, []string{}, errs
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	return cmd
}

// TestDebugSaysWhatItWaitsFor: a command that does not come back says why.
func TestDebugSaysWhatItWaitsFor(t *testing.T) {
	b := newBox(t)
	b.ok("create", "d")
	release := b.locked("d")
	time.AfterFunc(300*time.Millisecond, release)
	r := b.run("--debug", "delete", "d")
	if r.status != 0 || !strings.Contains(r.stderr, `wait for the lock of container "d"`) || !strings.Contains(r.stderr, "done: unmounted") {
		t.Errorf("--debug delete = %d, %q; want what it waits for, and the steps", r.status, r.stderr)
	}
}

// TestInterruptedWait: a signal ends a command that waits for another one, and
// nothing has changed.
func TestInterruptedWait(t *testing.T) {
	b := newBox(t)
	b.ok("create", "w")
	release := b.locked("w")
	var errs bytes.Buffer
	cmd := b.begin(&errs, "start", "w")
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	err := cmd.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 128+15 || time.Since(began) > 5*time.Second {
		t.Errorf("start = %v after %v, %q; want exit status 143 at once", err, time.Since(began), errs.String())
	}
	release()
	b.ok("start", "w")
	b.ok("delete", "--force", "w")
}

// TestInsisting: the third signal ends runcell whatever it does, and what it
// leaves can be removed.
func TestInsisting(t *testing.T) {
	b := newBox(t)
	seconds := 5
	b.withHooks()
	b.spec.Hooks.CreateRuntime[0].Args = []string{"probe", "sleep"}
	b.spec.Hooks.Poststop[0].Args = b.spec.Hooks.CreateRuntime[0].Args // taking back hangs, for a while
	b.spec.Hooks.Poststop[0].Timeout = &seconds
	b.ok("list") // writes config.json
	var errs bytes.Buffer
	cmd := b.begin(&errs, "create", "i")
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	err := cmd.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("create = %v; want it ended by SIGTERM", err)
	}
	// The hooks are in process groups of their own.
	for _, p := range processesOf(b.bundle) {
		pid, _, _ := strings.Cut(strings.TrimPrefix(p, "/proc/"), " ")
		_ = exec.Command("kill", "-KILL", pid).Run()
	}
	b.ok("recover")
}
