package main

import (
	"context"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/runtime"
)

// Sockets are for the process that LISTEN_PID names, and no other.
func TestSockets(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		pid, n, names string
		want          runtime.Sockets
		fails         bool
	}{
		{own, "2", "", runtime.Sockets{N: 2}, false},
		{own, "1", "web", runtime.Sockets{N: 1, Names: "web"}, false},
		{own, "0", "", runtime.Sockets{}, false},
		{own, "", "", runtime.Sockets{}, false},
		{"1", "2", "", runtime.Sockets{}, false},
		{"", "2", "", runtime.Sockets{}, false},
		{own, "x", "", runtime.Sockets{}, true},
		{own, "-1", "", runtime.Sockets{}, true},
		{own, "99999999999999999999", "", runtime.Sockets{}, true},
	} {
		env := map[string]string{"LISTEN_PID": c.pid, "LISTEN_FDS": c.n, "LISTEN_FDNAMES": c.names}
		a := &app{getenv: func(name string) string { return env[name] }}
		if got, err := a.sockets(); got != c.want || (err != nil) != c.fails {
			t.Errorf("sockets of %v = %v, %v; want %v", env, got, err, c.want)
		}
	}
}

// A command that a signal has ended has that as its exit status, whatever it
// would give otherwise.
func TestInterruptedStatus(t *testing.T) {
	for _, line := range [][]string{{"create", "c1"}, {"run", "c1"}} {
		f := &fake{hook: func(ctx context.Context) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			<-ctx.Done()
		}}
		f.err = &runtime.Interrupted{Signal: syscall.SIGTERM}
		if _, stderr, code := f.runcell(t, line...); code != 128+15 {
			t.Errorf("%v = %d, %q; want 143", line, code, stderr)
		}
	}
}

// A process that ends with its command has one processor from the first signal
// that is caught on; another one keeps what it has.
func TestOneProcessor(t *testing.T) {
	const child = "RUNCELL_TEST_PROCESSORS"
	if last := os.Getenv(child); last != "" {
		a := &app{last: last == "true"}
		_ = a.caught(t.Context(), func(context.Context, *runtime.Signals) error {
			os.Exit(10 + goruntime.GOMAXPROCS(0))
			return nil
		})
	}
	for last, want := range map[string]int{"true": 1, "false": 3} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOneProcessor$")
		cmd.Env = append(os.Environ(), child+"="+last, "GOMAXPROCS=3")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode() - 10; got != want {
			t.Errorf("the last command: %s; %d processors, want %d: %s", last, got, want, out)
		}
	}
}
