package runtime_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
)

// TestStop: a program ends by its signal or is killed in time, and nothing is
// deleted.
func TestStop(t *testing.T) {
	const annotation = "org.opencontainers.image.stopSignal"
	for _, c := range []struct {
		name   string
		heeds  string // the signal, or NONE
		says   string // what the bundle says of it
		before []string
		flags  []string
		want   string
		within time.Duration
	}{
		{"TERM", "TERM", "", nil, []string{"--time", "60"}, "c: ended\n", 30 * time.Second},
		{"the bundle's signal", "USR1", "SIGUSR1", nil, []string{"--time", "60"}, "c: ended\n", 30 * time.Second},
		{"a number", "USR1", "10", nil, []string{"--time=60"}, "c: ended\n", 30 * time.Second},
		{"none", "NONE", "", nil, []string{"--time", "1"}, "c: killed\n", 30 * time.Second},
		{"at once", "TERM", "", nil, []string{"--time", "0"}, "c: killed\n", 30 * time.Second},
		{"paused", "TERM", "", []string{"pause", "c"}, []string{"--time", "60"}, "c: ended\n", 30 * time.Second},
		{"ended", "TERM", "", []string{"stop", "c"}, nil, "c: had ended before\n", 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t)
			b.spec.Annotations = map[string]string{}
			if c.says != "" {
				b.spec.Annotations[annotation] = c.says
			}
			b.spec.Process.Args = []string{"/probe", "heed", c.heeds}
			out := b.tempFile()
			if err := b.start(out, "run", "--detach", "c").Wait(); err != nil {
				t.Fatal(err, shown(out))
			}
			b.until("the program is ready", func() bool { return strings.Contains(shown(out), "ready") })
			if c.before != nil {
				b.ok(c.before...)
			}
			began := time.Now()
			got := b.ok(append(append([]string{"stop"}, c.flags...), "c")...)
			if took := time.Since(began); got != c.want || took > c.within {
				t.Errorf("stop prints %q after %v; want %q", got, took, c.want)
			}
			if s := b.ok("state", "c"); !strings.Contains(s, `"stopped"`) {
				t.Errorf("after stop the state is %s; want the container, stopped", s)
			}
			if left := processesOf(b.bundle); len(left) > 0 {
				t.Errorf("stop leaves %v", left)
			}
			b.ok("delete", "c")
		})
	}
}

func TestStopRefuses(t *testing.T) {
	b := newBox(t)
	b.spec.Annotations = map[string]string{"org.opencontainers.image.stopSignal": "0"}
	b.ok("run", "--detach", "c")
	if r := b.run("stop", "c"); r.status != 1 || !strings.Contains(r.stderr, "0 is no signal") {
		t.Errorf("a signal that is none: status %d, %s", r.status, r.stderr)
	}
	b.ok("delete", "--force", "c")
	b.spec.Annotations = map[string]string{"org.opencontainers.image.stopSignal": "SIGNONSENSE"}
	b.ok("run", "--detach", "c")
	r := b.run("stop", "c")
	if r.status != 1 || !strings.Contains(r.stderr, "SIGNONSENSE") || !strings.Contains(b.ok("state", "c"), `"running"`) {
		t.Errorf("a signal that is unknown: status %d, %s; want an error, and that it runs", r.status, r.stderr)
	}
	if r := b.run("stop", "c", "missing", "--time", "0"); r.status != 1 || !strings.Contains(r.stderr, "does not exist") || !strings.Contains(r.stdout, "c: killed") {
		t.Errorf("one of two is missing: status %d, %q, %q; want an error for one, and the other stopped", r.status, r.stdout, r.stderr)
	}
	b.ok("delete", "c")
}

// A wait for a program that does not end is ended by a signal, and says what it
// waits for.
func TestStopIsInterrupted(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "heed", "NONE"}
	out := b.tempFile()
	if err := b.start(out, "run", "--detach", "c").Wait(); err != nil {
		t.Fatal(err, shown(out))
	}
	b.until("the program is ready", func() bool { return strings.Contains(shown(out), "ready") })
	cmd := b.start(out, "stop", "--all", "--time", "600")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.until("it says what it waits for", func() bool { return strings.Contains(shown(out), "wait until SIGTERM has ended c, 10m0s at most") })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it does not heed SIGINT")
	}
	if code := cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGINT) {
		t.Errorf("it ended with %d; want 130: %s", code, shown(out))
	}
	if !strings.Contains(b.ok("state", "c"), `"running"`) {
		t.Error("the container does not run any more")
	}
	b.ok("delete", "--force", "c")
}

// Who is stopped is the container that was found: another one that has got its
// name meanwhile, as a service's next one has, runs on.
func TestStopLeavesTheNextOne(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "heed", "NONE"}
	out, said := b.tempFile(), b.tempFile()
	if err := b.start(out, "run", "--detach", "c").Wait(); err != nil {
		t.Fatal(err, shown(out))
	}
	b.until("the program is ready", func() bool { return strings.Contains(shown(out), "ready") })
	cmd := b.start(said, "stop", "--time", "4", "c")
	b.until("it waits", func() bool { return strings.Contains(shown(said), "wait until SIGTERM has ended c") })
	b.ok("delete", "--force", "c")
	if err := b.start(out, "run", "--detach", "c").Wait(); err != nil {
		t.Fatal(err, shown(out))
	}
	// It has looked while the first one was there without its process, or not.
	if err := cmd.Wait(); err != nil || !strings.Contains(shown(said), "c: ended") {
		t.Errorf("stop: %v, %s; want that it has ended", err, shown(said))
	}
	if !strings.Contains(b.ok("state", "c"), `"running"`) {
		t.Error("the next one does not run any more")
	}
	b.ok("delete", "--force", "c")
}

// Two who stop a paused container let it go on once, and both wait for its end.
func TestStopsOfAPausedContainer(t *testing.T) {
	b, unlock := pausedAndLocked(t)
	said := b.tempFile()
	cmds := []*exec.Cmd{b.start(said, "--debug", "stop", "--time", "1", "c"), b.start(said, "--debug", "stop", "--time", "1", "c")}
	b.until("both wait", func() bool { return strings.Count(shown(said), "wait for the lock") == 2 })
	unlock()
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop: %v, %s", err, shown(said))
		}
	}
	b.ok("delete", "c")
}

// The wait for a lock that another command has ends with a signal, too.
func TestStopIsInterruptedAtALock(t *testing.T) {
	b, unlock := pausedAndLocked(t)
	said := b.tempFile()
	began := time.Now()
	cmd := b.start(said, "--debug", "stop", "c")
	b.until("it waits", func() bool { return strings.Contains(shown(said), "wait for the lock") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if took := time.Since(began); took > 8*time.Second || cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("it ended with %d after %v: %s", cmd.ProcessState.ExitCode(), took, shown(said))
	}
	unlock()
	b.ok("delete", "--force", "c")
}

// pausedAndLocked gives a paused container c that heeds no signal, and whose lock
// is held.
func pausedAndLocked(t *testing.T) (b *box, unlock func()) {
	t.Helper()
	b = newBox(t)
	b.spec.Process.Args = []string{"/probe", "heed", "NONE"}
	out := b.tempFile()
	if err := b.start(out, "run", "--detach", "c").Wait(); err != nil {
		t.Fatal(err, shown(out))
	}
	b.until("the program is ready", func() bool { return strings.Contains(shown(out), "ready") })
	b.ok("pause", "c")
	dir, err := os.Open(filepath.Join(b.root, "c"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := flock.Try(int(dir.Fd()), flock.Exclusive); !got || err != nil {
		t.Fatal(got, err)
	}
	return b, func() {
		if err := dir.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts runcell with a file for its output.
func (b *box) start(out *os.File, args ...string) *exec.Cmd {
	b.t.Helper()
	cfg, err := json.Marshal(b.spec)
	if err != nil {
		b.t.Fatal(err)
	}
	b.file("config.json", string(cfg), 0o644)
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.bundle, []string{}, out, out
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	return cmd
}

// shown is what is in a file that others write to.
func shown(f *os.File) string {
	text, err := os.ReadFile(f.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (b *box) until(what string, done func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited a minute until %s", what)
		}
	}
}
