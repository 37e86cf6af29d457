package runtime_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// unread runs runcell where nobody reads what it says, and gives its exit status.
// out of nil is read by nobody, too.
func (b *box) unread(stdin, out *os.File, args ...string) *os.ProcessState {
	b.t.Helper()
	cfg, err := json.Marshal(b.spec)
	if err != nil {
		b.t.Fatal(err)
	}
	b.file("config.json", string(cfg), 0o644)
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer w.Close()
	_ = r.Close()
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = b.bundle, []string{}, stdin, w, w
	if out != nil {
		cmd.Stdout = out
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	_ = cmd.Run()
	if cmd.ProcessState == nil {
		b.t.Fatal("runcell does not run")
	}
	return cmd.ProcessState
}

// A command whose output nobody reads goes on to its end: it leaves nothing half
// made, and the program gets no signal because of what the command said.
func TestUnread(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "exit", "7"}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	check := func(want int, state *os.ProcessState, what string) {
		t.Helper()
		if state.ExitCode() != want {
			t.Errorf("%s, of which nobody reads a step: %v; want exit status %d", what, state, want)
		}
		if ids := b.ids(); len(ids) > 0 {
			t.Errorf("%s leaves %v", what, ids)
		}
	}
	check(7, b.unread(null, null, "--debug", "run", "c"), "run")

	// Warnings are told without --debug, too: that of a hook, after the program's end.
	b.spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/false"}}}
	check(7, b.unread(null, null, "run", "c"), "run with a failing poststop hook")
	b.ok("create", "c")
	check(0, b.unread(null, null, "delete", "--force", "c"), "delete with a failing poststop hook")
	b.spec.Hooks = nil

	// The program's terminal is shown where nobody looks: it hangs up. (2 is what a Go
	// program ends with whose own signal does not end it, as a first process's.)
	b.spec.Process.Terminal = true
	b.spec.Process.Args = []string{"/probe", "heed", "NONE"}
	check(2, b.unread(null, nil, "run", "t"), "run of a terminal")

	b.spec.Process.Terminal = false
	b.spec.Process.Args = []string{"/probe", "sleep"}
	b.ok("run", "--detach", "c")
	if state := b.unread(null, null, "--debug", "exec", "c", "/probe", "exit", "5"); state.ExitCode() != 5 {
		t.Errorf("exec, of which nobody reads a step: %v; want exit status 5", state)
	}
	// What only prints ends without a word, as by SIGPIPE.
	if state := b.unread(null, nil, "state", "c"); state.ExitCode() != 128+13 {
		t.Errorf("state, which nobody reads: %v; want exit status 141", state)
	}
	b.ok("run", "--detach", "d")
	if state := b.unread(null, nil, "stop", "--all", "--time", "0"); state.ExitCode() != 128+13 {
		t.Errorf("stop, which nobody reads: %v; want exit status 141", state)
	}
	for _, id := range []string{"c", "d"} {
		if s := b.ok("state", id); !strings.Contains(s, `"stopped"`) {
			t.Errorf("%s after stop --all: %s; want it stopped", id, s)
		}
		b.ok("delete", id)
	}
}
