package hooks

// Hooks on the host, with the shell as the hook.

import (
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

func sh(field, script string) oci.Hook {
	return oci.Hook{Field: field, Path: "/bin/sh", Args: []string{"sh", "-c", script}}
}

// A hook that names no environment has runcell's, as hooks that were written for
// other runtimes take for granted.
func TestOwnEnvironment(t *testing.T) {
	t.Setenv("OURS", "inherited")
	out := filepath.Join(t.TempDir(), "out")
	if err := Run(t.Context(), []oci.Hook{sh("hooks.x[0]", "echo $OURS >"+out)}, &state.State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "inherited\n" {
		t.Errorf("the hook's variable is %q, %v", got, err)
	}
}

// Hooks run in order with the state as their input and no environment but
// the one that they name, up to the first that fails.
func TestRun(t *testing.T) {
	t.Setenv("OURS", "leaked")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	first := sh("hooks.x[0]", "read -r line; echo \"$OURS$THEIRS$line\" >"+file("first"))
	first.Env = []string{"THEIRS=theirs "}
	err := Run(t.Context(), []oci.Hook{
		first,
		sh("hooks.x[1]", "echo says why >&2; exit 3"),
		sh("hooks.x[2]", ": >"+file("third")),
	}, &state.State{ID: "c"})
	if err == nil || err.Error() != "run hooks.x[1] /bin/sh: exit status 3: says why" {
		t.Errorf("Run = %v; want the hook that failed, and what it said", err)
	}
	if b, err := os.ReadFile(file("first")); err != nil || !strings.HasPrefix(string(b), "theirs {") || !strings.Contains(string(b), `"id":"c"`) {
		t.Errorf("the first hook saw %q, %v; want its environment and the state", b, err)
	}
	if _, err := os.Lstat(file("third")); !os.IsNotExist(err) {
		t.Errorf("the third hook ran after a failure: %v", err)
	}
}

// The last hooks all run, whatever becomes of one of them.
func TestRunPoststop(t *testing.T) {
	done := filepath.Join(t.TempDir(), "done")
	RunPoststop(t.Context(), []oci.Hook{sh("hooks.poststop[0]", "exit 1"), sh("hooks.poststop[1]", ": >"+done)}, &state.State{ID: "c"})
	if _, err := os.Lstat(done); err != nil {
		t.Errorf("the second hook did not run: %v", err)
	}
}

// A timeout ends the hook and all that it started.
func TestTimeoutEndsTheGroup(t *testing.T) {
	h := sh("hooks.x[0]", "sleep 3600 & wait")
	h.Timeout = 50 * time.Millisecond
	err := Run(t.Context(), []oci.Hook{h}, &state.State{ID: "c"})
	if err == nil || !strings.Contains(err.Error(), "timed out after 50ms") {
		t.Errorf("Run = %v; want the timeout", err)
	}
}

// The state may be more than a pipe holds: a hook that reads nothing has its
// timeout all the same.
func TestTimeoutOfUnreadInput(t *testing.T) {
	h := sh("hooks.x[0]", "exec sleep 3600")
	h.Timeout = 50 * time.Millisecond
	s := &state.State{ID: "c", Annotations: map[string]string{"big": strings.Repeat("x", 1<<20)}}
	err := Run(t.Context(), []oci.Hook{h}, s)
	if err == nil || !strings.Contains(err.Error(), "timed out after 50ms") {
		t.Errorf("Run = %v; want the timeout", err)
	}
}

// A hook has ended when it has, whoever holds its output: nobody waits, and no
// timeout is counted.
func TestChildKeepsOutput(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	t.Cleanup(func() {
		left, _ := os.ReadFile(pids)
		for _, f := range strings.Fields(string(left)) {
			if pid, err := strconv.Atoi(f); err == nil {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	})
	// Less than the second that os/exec was told to wait for the output. A busy
	// machine may not make it at once.
	h := sh("hooks.x[0]", "sleep 90 & echo $! >>"+pids)
	h.Timeout = 900 * time.Millisecond
	err := Run(t.Context(), []oci.Hook{h}, &state.State{ID: "c"})
	for try := 0; err != nil && try < 10; try++ {
		err = Run(t.Context(), []oci.Hook{h}, &state.State{ID: "c"})
	}
	if err != nil {
		t.Errorf("Run = %v; want success at once", err)
	}
	h = sh("hooks.x[0]", "sleep 90 & echo $! >>"+pids+"; echo says why >&2; exit 3")
	if err := Run(t.Context(), []oci.Hook{h}, &state.State{ID: "c"}); err == nil || !strings.HasSuffix(err.Error(), "exit status 3: says why") {
		t.Errorf("Run = %v; want what the hook said", err)
	}
}

// Hooks on the host start in the bundle, and in / when it is gone.
func TestHookDirectory(t *testing.T) {
	bundle, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for _, c := range []struct{ bundle, want string }{{bundle, bundle}, {bundle + "/gone", "/"}} {
		if err := Run(t.Context(), []oci.Hook{sh("hooks.x[0]", "pwd >"+out)}, &state.State{ID: "c", Bundle: c.bundle}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || string(got) != c.want+"\n" {
			t.Errorf("a hook of the bundle %s runs in %q, %v; want %s", c.bundle, got, err, c.want)
		}
	}
}

// A state that a hook doesn't read gives us no SIGPIPE: it would be passed to the
// container's program.
func TestUnreadStateIsNoSignal(t *testing.T) {
	got := make(chan os.Signal, 4)
	signal.Notify(got, unix.SIGPIPE, unix.SIGWINCH)
	defer signal.Stop(got)
	big := &state.State{ID: "c", Annotations: map[string]string{"big": strings.Repeat("x", 1<<20)}}
	if err := Run(t.Context(), []oci.Hook{sh("hooks.x[0]", "exit 0")}, big); err != nil {
		t.Error(err)
	}
	in, err := newInput(make([]byte, 1<<20)) // of a hook in the cell
	if err != nil {
		t.Fatal(err)
	}
	if err := in.end(); err != nil {
		t.Error(err)
	}
	// Signals are told in the order of their numbers: this one comes last.
	if err := syscall.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != unix.SIGWINCH {
		t.Errorf("the hook's unread state gave us %v", s)
	}
}
