package launch

// Hooks between the process and its root.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/undo"
)

func appendTo(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

var errOurs = errors.New("ours")

// hooked is a launch with a hook at each point, which says that it has run; what
// is done between them says so, too.
type hooked struct {
	*Launch
	t   *testing.T
	dir string
	bad string // it fails
}

func newHooked(t *testing.T, bad string) *hooked {
	t.Helper()
	h := &hooked{t: t, dir: t.TempDir(), bad: bad}
	plan := &oci.Plan{Hooks: oci.Hooks{
		Prestart: h.hook("prestart"), CreateRuntime: h.hook("createRuntime"), CreateContainer: h.hook("createContainer"), Poststop: h.hook("poststop"),
	}}
	plan.Cell.Permissions = plan.Cell.Permissions.With(policy.Trace)
	h.Launch = &Launch{Container: &state.Container{Dir: h.dir}, Plan: plan, Undo: &undo.Stack{}}
	h.ID, h.Phase, h.Pid = filepath.Base(h.dir), state.Creating, os.Getpid()
	join, strangers := process.JoinFirst, process.Strangers
	t.Cleanup(func() { process.JoinFirst, process.Strangers = join, strangers })
	process.JoinFirst = func(pid int) error { return h.say("join", pid) }
	process.Strangers = func(pid int) ([]int, error) { return nil, h.say("strangers", pid) }
	return h
}

func (h *hooked) hook(name string) []oci.Hook {
	what := "hook " + h.dir + " " + name
	if name == h.bad {
		what = "fail"
	}
	return []oci.Hook{{Field: "hooks." + name, Path: own(h.t), Env: []string{childEnv + "=" + what}}}
}

func (h *hooked) say(what string, pid int) error {
	if pid != h.Pid {
		h.t.Errorf("%s of %d; want %d", what, pid, h.Pid)
	}
	if what == h.bad {
		return errOurs
	}
	return appendTo(h.dir+"/ran", what)
}

func (h *hooked) ran() []string {
	b, err := os.ReadFile(h.dir + "/ran")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Error(err)
	}
	return strings.Fields(string(b))
}

// Each runs in its turn; one that fails is the last but for the poststop hooks.
func TestHooksRunInTurn(t *testing.T) {
	all := []string{"prestart", "createRuntime", "join", "createContainer", "strangers"}
	for i, bad := range append(slices.Clone(all), "") {
		h := newHooked(t, bad)
		err := h.runHooks(t.Context())
		if (err == nil) != (bad == "") || err != nil && !errors.Is(err, errOurs) && !strings.Contains(err.Error(), "hooks."+bad) {
			t.Errorf("%q fails: %v", bad, err)
		}
		if bad == "join" && !strings.Contains(err.Error(), "hooks.createContainer") {
			t.Errorf("%v; want whose namespaces they are", err)
		}
		if ran := h.ran(); !slices.Equal(ran, all[:i]) {
			t.Errorf("%q fails: %q; want %q", bad, ran, all[:i])
		}
		// The record is there before a hook asks for it.
		was := &state.Container{Dir: h.dir}
		if err := was.Read(); err != nil || was.Pid != h.Pid {
			t.Errorf("the record has %d, %v", was.Pid, err)
		}
		if err := h.Undo.Rollback(); err != nil || !slices.Equal(h.ran(), append(all[:i:i], "poststop")) {
			t.Errorf("taken back: %q, %v", h.ran(), err)
		}
	}
}

// Without hooks nothing is done.
func TestNoHooks(t *testing.T) {
	h := newHooked(t, "")
	h.Plan.Hooks.Prestart, h.Plan.Hooks.CreateRuntime, h.Plan.Hooks.CreateContainer = nil, nil, nil
	if err := errors.Join(h.runHooks(t.Context()), h.Undo.Rollback()); err != nil || len(h.ran()) > 0 {
		t.Errorf("%q, %v; want nothing", h.ran(), err)
	}
	if err := (&state.Container{Dir: h.dir}).Read(); !errors.Is(err, state.ErrNotExist) {
		t.Errorf("a record is written: %v", err)
	}
	// No hook is in the container: nobody joins it.
	h.Plan.Hooks.Prestart = h.hook("prestart")
	if err := h.runHooks(t.Context()); err != nil || !slices.Equal(h.ran(), []string{"prestart", "strangers"}) {
		t.Errorf("%q, %v", h.ran(), err)
	}
	process.JoinFirst = nil // as on NetBSD
	h.Plan.Hooks.CreateContainer = h.hook("createContainer")
	if err := h.runHooks(t.Context()); err != nil || !slices.Contains(h.ran(), "createContainer") {
		t.Errorf("without namespaces: %q, %v", h.ran(), err)
	}
}

// What a hook leaves in a container that may trace is waited for, a while.
func TestStrangersAreRefused(t *testing.T) {
	const most = 1000
	left, asked := []int{4711}, 0
	strangers := process.Strangers
	defer func() { process.Strangers = strangers }()
	stay := func(n int, last error) {
		asked = 0
		process.Strangers = func(int) ([]int, error) {
			switch asked++; {
			case asked > most:
				return left, errors.New("asked for ever")
			case last != nil:
				return left, last
			case asked > n:
				return nil, nil
			}
			return left, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := &Launch{Container: &state.Container{}, Plan: &oci.Plan{}}
		stay(most, nil)
		if err := l.refuseStrangers(t.Context()); err != nil || asked > 0 {
			t.Errorf("nobody traces: %v, asked %d times", err, asked)
		}
		l.Plan.Cell.Permissions = l.Plan.Cell.Permissions.With(policy.Trace)
		began := time.Now()
		err := l.refuseStrangers(t.Context())
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "[4711] stay behind") || took < leavePatience || took > 2*leavePatience {
			t.Errorf("who stays: %v after %v", err, took)
		}
		stay(3, nil)
		if err := l.refuseStrangers(t.Context()); err != nil || asked != 4 {
			t.Errorf("who leaves: %v, asked %d times", err, asked)
		}
		stay(most, errOurs)
		if err := l.refuseStrangers(t.Context()); !errors.Is(err, errOurs) || asked != 1 {
			t.Errorf("who can't be looked at: %v, asked %d times", err, asked)
		}
		stay(most, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errOurs)
		if err := l.refuseStrangers(ctx); !errors.Is(err, errOurs) {
			t.Errorf("a context that has ended: %v", err)
		}
		process.Strangers = nil // as on NetBSD
		if err := l.refuseStrangers(t.Context()); err != nil {
			t.Errorf("without namespaces: %v", err)
		}
	})
}
