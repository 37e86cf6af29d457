package inject

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ExecArg {
		fmt.Fprintln(os.Stderr, Exec(os.Args[2:]))
		os.Exit(99)
	}
	os.Exit(m.Run())
}

// under runs cat(1) on a file with a fault, and gives what it printed, how it
// ended, its calls and what was struck.
func under(t *testing.T, file string, f fault) (out string, state *os.ProcessState, counts map[string]int, struck string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := identify(self)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{ours: []identity{program}}
	c.begin(f)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	cmd := exec.Command(self, ExecArg, "/bin/cat", file)
	cmd.ExtraFiles = []*os.File{theirs}
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	listener, err := receive(ends[0])
	_ = unix.Close(ends[0])
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { c.serve(listener); close(served) }()
	_ = cmd.Wait()
	<-served // the listener ends with the last process
	counts, struck = c.end()
	return printed.String(), cmd.ProcessState, counts, struck
}

// TestStrikes makes calls of cat(1) fail, one at a time.
func TestStrikes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a filter that asks needs root")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, state, counts, struck := under(t, file, fault{})
	if out != "text" || !state.Success() || struck != "" || counts["openat"] == 0 || counts["read"] < 2 {
		t.Fatalf("without a fault: %q, %v, %v, struck %q", out, state, counts, struck)
	}
	if counts["close"] > 0 || counts["mmap"] > 0 {
		t.Errorf("calls that are left alone were counted: %v", counts)
	}
	out, state, _, struck = under(t, file, fault{"openat", counts["openat"], unix.EIO})
	if state.Success() || !strings.Contains(out, "Input/output error") || struck != "openat "+file {
		t.Errorf("the last openat: %q, %v, struck %q", out, state, struck)
	}
	out, state, _, struck = under(t, file, fault{"read", counts["read"], 0})
	if ws := state.Sys().(syscall.WaitStatus); out != "text" || !ws.Signaled() || ws.Signal() != syscall.SIGKILL || struck != "read "+file {
		t.Errorf("killed at the last read: %q, %v, struck %q", out, state, struck)
	}
	if _, state, _, struck := under(t, file, fault{"openat", 1000, unix.EIO}); !state.Success() || struck != "" {
		t.Errorf("a call that is not made: %v, struck %q", state, struck)
	}
}

func TestAccepted(t *testing.T) {
	for _, a := range acceptances {
		if a.why == "" {
			t.Errorf("%v has no reason", a.call)
		}
	}
	for _, c := range []struct {
		story, call, problem string
		want                 bool
	}{
		{"create", "read /x/exec.fifo", `says that it succeeded, but: "stopped", want "created"`, true},
		{"create", "read /x/exec.fifo", `says that it succeeded, but: "start \"ID-1\": wait for start: no space left on device", want "stopped"`, true},
		{"create", "read /x/exec.fifo", `says that it succeeded, but: "start \"ID-1\": exec: no space left on device", want "stopped"`, false},
		{"create", "read /x/exec.fifo", `says that it succeeded, but: "start \"ID-1\": its process was killed before it could run the program, or could not report that it does", want "stopped"`, true},
		{"start", "read /x/exec.fifo", `says that it succeeded, but: "stopped", want "created"`, false},
		{"create", "read /proc/1/stat", `says that it succeeded, but: "stopped", want "created"`, false},
	} {
		if got := accepted(c.story, c.call, c.problem); got != c.want {
			t.Errorf("accepted(%q, %q, %q) = %v; want %v", c.story, c.call, c.problem, got, c.want)
		}
	}
}

func TestDifference(t *testing.T) {
	if d := difference("a\nb\n", "a\nb\n"); d != "" {
		t.Errorf("difference of the same = %q", d)
	}
	if d := difference("a\nb\n", "a\nc\n"); !strings.Contains(d, `"c", want "b"`) {
		t.Errorf("difference = %q; want c and b in it", d)
	}
}
