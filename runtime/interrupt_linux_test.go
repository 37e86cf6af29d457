package runtime_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
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
	_ = cmd.Process.Signal(syscall.SIGTERM)
	err := cmd.Wait() // one that goes on waiting ends with another status
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 128+15 {
		t.Errorf("start = %v, %q; want exit status 143", err, errs.String())
	}
	release()
	b.ok("start", "w")
	b.ok("delete", "--force", "w")
}

// TestBusyListener: a caller's socket that takes no connection does not keep a
// command from ending, which says what it waits for and takes everything back.
func TestBusyListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	err = errors.Join(err, unix.Bind(l, &unix.SockaddrUnix{Name: path}), unix.Listen(l, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	for err == nil { // until nobody is let in any more
		var c int
		if c, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(c) })
		err = unix.Connect(c, &unix.SockaddrUnix{Name: path})
	}
	b := newBox(t)
	for flag, terminal := range map[string]bool{"--console-socket": true, "--pidfd-socket": false} {
		b.spec.Process.Terminal = terminal
		b.ok("list") // writes config.json
		cmd := exec.Command(b.bin, "--root", b.root, "--debug", "create", flag, path, "w")
		cmd.Dir, cmd.Env = b.bundle, []string{}
		said, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(said)
		for lines.Scan() && !strings.Contains(lines.Text(), "wait until the listener at "+path) {
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, said)
		err = cmd.Wait()
		limit.Stop()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 128+15 {
			t.Errorf("create %s = %v; want exit status 143", flag, err)
		}
		if r := b.run("state", "w"); r.status == 0 {
			t.Errorf("create %s left %s", flag, r.stdout)
			b.ok("delete", "--force", "w")
		}
	}
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
