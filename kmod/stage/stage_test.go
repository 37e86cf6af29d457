//go:build linux || netbsd

package stage

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
)

// start runs steps in a child and gives its wait status and report.
func start(t *testing.T, p *Program) (syscall.WaitStatus, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	p.Report[0] = int(w.Fd())
	pid, err := p.Start()
	_ = w.Close()
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	var b [64]byte
	n, _ := r.Read(b[:])
	if n == 0 {
		return ws, nil
	}
	rec, err := ParseRecord(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	return ws, rec.Err(p.Names())
}

func TestFailedStepIsNamed(t *testing.T) {
	s, err := Path("chdir /nonexistent", syscall.SYS_CHDIR, "/nonexistent")
	if err != nil {
		t.Fatal(err)
	}
	ws, err := start(t, &Program{Steps: []Step{Sys("getpid", syscall.SYS_GETPID), s}, ExitCode: 7})
	var e *Error
	if !errors.As(err, &e) || e.Step != "chdir /nonexistent" || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("report = %v; want chdir /nonexistent: ENOENT", err)
	}
	if ws.ExitStatus() != 7 {
		t.Errorf("exit status = %d; want 7", ws.ExitStatus())
	}
}

func TestExec(t *testing.T) {
	x, err := Exec("/bin/sh", []string{"sh", "-c", "exit $N"}, []string{"N=42"})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := start(t, &Program{Steps: []Step{x}, ExitCode: 7})
	if err != nil || ws.ExitStatus() != 42 {
		t.Errorf("exec = %d, %v; want 42, nil", ws.ExitStatus(), err)
	}
}

// Whose report ends has run its program only if it said that this comes next:
// a child that is killed on the way there has said nothing.
func TestOutcome(t *testing.T) {
	x, err := Exec("/bin/sh", []string{"sh", "-c", ":"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	none, err := Exec("/nonexistent", []string{"none"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pid := Sys("getpid", syscall.SYS_GETPID)
	pid.Save = 1
	die := Sys("kill", syscall.SYS_KILL, 1, uintptr(syscall.SIGKILL))
	die.From[0] = Reg
	for _, c := range []struct {
		name  string
		steps []Step
		want  error
	}{
		{"a program", []Step{x}, nil},
		{"killed before", []Step{pid, die, x}, ErrKilled},
		{"no such program", []Step{none}, syscall.ENOENT},
		{"a step that fails", []Step{Sys("close", syscall.SYS_CLOSE, 1000), x}, syscall.EBADF},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := &Program{Steps: c.steps, Report: [2]int{int(w.Fd())}, Tell: true, ExitCode: 7}
		child, err := p.Start()
		_ = w.Close()
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Wait4(child, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := Outcome(said, p.Names()); !errors.Is(err, c.want) {
			t.Errorf("%s: Outcome = %v; want %v", c.name, err, c.want)
		}
	}
}

func TestRegistersAndTolerance(t *testing.T) {
	dup := Sys("dup 2", syscall.SYS_DUP, 2)
	dup.Save = 1
	closing := Sys("close the copy", syscall.SYS_CLOSE, 1)
	closing.From[0] = Reg
	again := closing
	again.Name = "close it again"
	ws, err := start(t, &Program{Steps: []Step{dup, closing, again}, ExitCode: 7})
	if !errors.Is(err, syscall.EBADF) || ws.ExitStatus() != 7 {
		t.Errorf("second close = %v; want EBADF", err)
	}
	again.Tolerate[0] = syscall.EBADF
	x, err := Exec("/bin/sh", []string{"sh", "-c", ":"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ws, err := start(t, &Program{Steps: []Step{dup, closing, again, x}}); err != nil || ws.ExitStatus() != 0 {
		t.Errorf("tolerated = %d, %v; want 0, nil", ws.ExitStatus(), err)
	}
}

func TestSameAndExact(t *testing.T) {
	a, b := &[2]uint64{1, 2}, &[2]uint64{1, 3}
	cmp := Step{Name: "verify", Kind: Same, Args: [6]uintptr{addr(a), addr(b), 16}, Keep: []any{a, b}}
	if _, err := start(t, &Program{Steps: []Step{cmp}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Same of different memory = %v; want EINVAL", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if _, err := start(t, &Program{Steps: []Step{Await("wait", int(r.Fd()))}}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Await on a closed pipe = %v; want EPIPE", err)
	}
	_ = r.Close()
}
