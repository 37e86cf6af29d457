package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// locked tells whether the calling goroutine is locked to its thread, as Go's
// traces say.
func locked() bool {
	b := make([]byte, 200)
	line, _, _ := strings.Cut(string(b[:goruntime.Stack(b, false)]), "\n")
	return strings.Contains(line, "locked to thread")
}

// swap gives a variable another value until the test ends.
func swap[T any](t *testing.T, v *T, other T) {
	t.Helper()
	before := *v
	t.Cleanup(func() { *v = before })
	*v = other
}

// What f changes of its thread is nobody else's, and neither is the main thread's.
func TestOnThread(t *testing.T) {
	forgotten, asked := 0, 0
	swap(t, &forgetSlack, func() {
		forgotten++
		if !locked() {
			t.Error("the slack is another thread's")
		}
	})
	swap(t, &isMainThread, func() bool { asked++; return asked == 1 })
	wrong := errors.New("wrong")
	err := OnThread(func() error {
		if !locked() || asked != 2 || forgotten != 1 {
			t.Errorf("f runs on a thread of its own: %v, after %d questions for the main one, %d with the ordinary slack; want 2 and 1",
				locked(), asked, forgotten)
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("OnThread = %v; want f's error", err)
	}
	swap(t, &forgetSlack, nil)
	if err := OnThread(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func sayAndExit(t *testing.T, exit int, more ...stage.Step) *stage.Program {
	t.Helper()
	return &stage.Program{Steps: append(more, stage.Sys("end", unix.SYS_EXIT, uintptr(exit))), ExitCode: exit}
}

// What a program can't do is an error, and so is one that does not say what it did.
func TestDo(t *testing.T) {
	if err := Do(&stage.Program{Steps: []stage.Step{stage.Sys("ask", unix.SYS_GETPID)}}); err != nil {
		t.Error(err)
	}
	var failed *stage.Error
	err := Do(&stage.Program{Steps: []stage.Step{stage.Sys("ask", unix.SYS_GETPID), stage.OnFD("close nothing", unix.SYS_CLOSE, -1)}})
	if !errors.As(err, &failed) || failed.Step != "close nothing" || !errors.Is(err, unix.EBADF) {
		t.Errorf("Do = %v; want EBADF of its second step", err)
	}
	if err := Do(sayAndExit(t, 0)); !errors.Is(err, stage.ErrKilled) {
		t.Errorf("Do of what says nothing = %v; want ErrKilled", err)
	}
	if err := Do(&stage.Program{Steps: []stage.Step{{Save: stage.Registers}}}); err == nil {
		t.Error("a program that can't be started has run")
	}
}

const endVariable = "RUNCELL_TEST_END"

// The test binary is also the program that the child becomes: a guest of the
// tests may have no other.
func init() {
	if os.Getenv(endVariable) != "" {
		os.Exit(7)
	}
}

// execs is a program that becomes another, which ends with 7.
func execs(t *testing.T, more ...stage.Step) *stage.Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exec, err := stage.Exec(self, []string{self}, []string{endVariable + "=1"})
	if err != nil {
		t.Fatal(err)
	}
	return &stage.Program{Steps: append(more, exec), ExitCode: 99}
}

// noLonger is a context that has ended and tells nobody.
type noLonger struct{ context.Context }

func (noLonger) Done() <-chan struct{} { return nil }
func (noLonger) Err() error            { return context.Canceled }
func (noLonger) Value(any) any         { return nil }

func TestStartProgram(t *testing.T) {
	forgotten := 0
	swap(t, &forgetSlack, func() {
		forgotten++
		if !locked() {
			t.Error("the slack is another thread's than the one that forks")
		}
	})
	for _, ctx := range []context.Context{t.Context(), noLonger{t.Context()}} {
		c, err := StartProgram(ctx, execs(t)) // one that runs before the end is there
		if err != nil {
			t.Fatal(err)
		}
		if s, err := c.ExitStatus(); s != 7 || err != nil {
			t.Errorf("status %d, %v; want 7", s, err)
		}
	}
	if forgotten != 2 {
		t.Errorf("of 2 children %d have the ordinary slack", forgotten)
	}
	swap(t, &forgetSlack, nil)
	for what, c := range map[string]struct {
		ctx  context.Context
		prog *stage.Program
		want error
	}{
		"a step that fails":         {t.Context(), execs(t, stage.OnFD("close nothing", unix.SYS_CLOSE, -1)), unix.EBADF},
		"a step that fails, late":   {noLonger{t.Context()}, execs(t, stage.OnFD("close nothing", unix.SYS_CLOSE, -1)), context.Canceled},
		"an end before the exec":    {t.Context(), sayAndExit(t, 0), stage.ErrKilled},
		"what can't be started":     {t.Context(), &stage.Program{Steps: []stage.Step{{Save: stage.Registers}}}, nil},
		"what can't be exec'ed":     {t.Context(), &stage.Program{Steps: []stage.Step{mustExec(t, "/no/such")}}, unix.ENOENT},
		"what may not be exec'ed":   {t.Context(), &stage.Program{Steps: []stage.Step{mustExec(t, "/")}}, unix.EACCES},
		"what hangs, and has ended": {ended(t), &stage.Program{Steps: []stage.Step{stage.Await("wait", hanging(t))}}, context.Canceled},
	} {
		child, err := StartProgram(c.ctx, c.prog)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || child != nil {
			t.Errorf("%s: %v, %v; want %v", what, child, err, c.want)
		}
	}
}

func mustExec(t *testing.T, name string) stage.Step {
	t.Helper()
	s, err := stage.Exec(name, []string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// hanging is a descriptor from which nothing comes.
func hanging(t *testing.T) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return int(r.Fd())
}

// A member's program is made by a thread that has entered the cell, from the
// cell's root, which nobody has open afterwards.
func TestStartMember(t *testing.T) {
	wrong := errors.New("wrong")
	var order []string
	swap(t, &GroupsSettable, func() bool { order = append(order, "groups"); return true })
	var dir *inroot.Dir
	start := func(enter error, root string, built error) (*Child, error) {
		order, dir = nil, nil
		entry := kmod.Entry{Thread: func() error { order = append(order, "enter"); return enter }}
		return StartMember(t.Context(), entry, root, func(d *inroot.Dir) (*stage.Program, error) {
			order, dir = append(order, "build"), d
			if _, err := d.Stat("/file"); err != nil {
				t.Errorf("the root is not there when the program is made: %v", err)
			}
			return execs(t), built
		})
	}
	root := t.TempDir()
	if err := os.WriteFile(root+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(what, want string) {
		t.Helper()
		if got := strings.Join(order, " "); got != want {
			t.Errorf("%s: %s; want %s", what, got, want)
		}
		if dir != nil {
			if _, err := dir.Stat("/file"); !errors.Is(err, unix.EBADF) {
				t.Errorf("%s: the root is still open: %v", what, err)
			}
		}
	}
	c, err := start(nil, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.ExitStatus(); s != 7 || err != nil {
		t.Errorf("status %d, %v; want 7", s, err)
	}
	check("a member", "groups enter build")
	if c, err := start(wrong, root, nil); c != nil || !errors.Is(err, wrong) {
		t.Errorf("with a cell that can't be entered: %v, %v", c, err)
	}
	check("no entry", "groups enter")
	if c, err := start(nil, root+"/none", nil); c != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a root: %v, %v", c, err)
	}
	check("no root", "groups enter")
	if c, err := start(nil, root, wrong); c != nil || !errors.Is(err, wrong) {
		t.Errorf("without a program: %v, %v", c, err)
	}
	check("no program", "groups enter build")
}
