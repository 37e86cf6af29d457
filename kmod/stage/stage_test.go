//go:build linux || netbsd

package stage

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
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
	return ended(t, pid, r, p.Names())
}

// ended waits for a child that tells nothing but its failure, once.
func ended(t *testing.T, pid int, report io.Reader, names []string) (ws syscall.WaitStatus, err error) {
	t.Helper()
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(report)
	if err != nil || len(b) == 0 {
		return ws, err
	}
	rec, err := ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Execs() {
		t.Error("told that it execs, which nobody asked for")
	}
	return ws, rec.Err(names)
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
	maybe := none
	maybe.Tolerate[0] = syscall.ENOENT
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
		{"the second of two", []Step{maybe, x}, nil},
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
		if c.want == nil && len(said) != RecordSize {
			t.Errorf("%s: told %d bytes; want it told once", c.name, len(said))
		}
	}
}

// What is read off a report, as bytes.
func TestRecords(t *testing.T) {
	record := func(index, errno uint32) []byte {
		b := make([]byte, RecordSize)
		binary.NativeEndian.PutUint32(b, index)
		binary.NativeEndian.PutUint32(b[4:], errno)
		return b
	}
	execs, mark := record(execIndex, 0), record(1, 0)
	for _, c := range []struct {
		name   string
		report []byte
		want   string
	}{
		{"it execs", execs, ""},
		{"it execs, and a mark", slices.Concat(execs, mark), ""},
		{"a mark alone", mark, ErrKilled.Error()},
		{"nothing", nil, ErrKilled.Error()},
		{"a part", execs[:RecordSize-1], ErrKilled.Error()},
		{"a step", record(1, uint32(syscall.ENOENT)), "two: " + syscall.ENOENT.Error()},
		{"a step that is not there", record(2, uint32(syscall.ENOENT)), "step 2: " + syscall.ENOENT.Error()},
		{"before all steps", record(shutIndex, uint32(syscall.ENOENT)), "close the parent's descriptors: " + syscall.ENOENT.Error()},
	} {
		got := ""
		if err := Outcome(c.report, []string{"one", "two"}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
	for _, n := range []int{0, RecordSize - 1, RecordSize + 1} {
		if _, err := ParseRecord(make([]byte, n)); err == nil {
			t.Errorf("a record of %d bytes is taken", n)
		}
	}
	if (Record{Index: execIndex, Errno: 1}).Execs() {
		t.Error("what failed execs")
	}
}

func TestProgramIsListed(t *testing.T) {
	p := Program{Steps: []Step{Sys("one", syscall.SYS_GETPID), Sys("two", syscall.SYS_GETPID)}}
	if got, want := p.String(), " 0 one\n 1 two\n"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

// What is written behind the environment before the exec is in it.
func TestLateEnvironment(t *testing.T) {
	late := []byte("LATE=42\x00")
	x, err := Exec("/bin/sh", []string{"sh", "-c", "exit $((N + LATE))"}, []string{"N=1"}, &late[0])
	if err != nil {
		t.Fatal(err)
	}
	if ws, err := start(t, &Program{Steps: []Step{x}, ExitCode: 7}); err != nil || ws.ExitStatus() != 43 {
		t.Errorf("exec = %d, %v; want 43, nil", ws.ExitStatus(), err)
	}
}

func TestArguments(t *testing.T) {
	s, err := Path("path", syscall.SYS_CHDIR, "/", 5, 6)
	if err != nil || s.Args[1] != 5 || s.Args[2] != 6 {
		t.Errorf("%v, %v", s.Args, err)
	}
	if _, err := Path("path", syscall.SYS_CHDIR, "/\x00"); err == nil {
		t.Error("a path with a NUL is taken")
	}
}

// A child handles signals as a new program does, and blocks none.
func TestSignalsOfTheChild(t *testing.T) {
	pid := Sys("getpid", syscall.SYS_GETPID)
	pid.Save = 1
	die := Sys("kill", syscall.SYS_KILL, 1, uintptr(syscall.SIGTERM))
	die.From[0] = Reg
	if ws, err := start(t, &Program{Steps: []Step{pid, die}, ExitCode: 7}); err != nil || ws.Signal() != syscall.SIGTERM {
		t.Errorf("ended by %v, %v; want SIGTERM", ws.Signal(), err)
	}
}

func TestRegisterOutOfRange(t *testing.T) {
	for _, save := range []uint8{Registers, Registers + 1} {
		s := Sys("getpid", syscall.SYS_GETPID)
		s.Save = save
		if _, err := (&Program{Steps: []Step{s}}).Start(); err == nil {
			t.Errorf("register %d is taken", save)
		}
	}
}

// Nothing is reported to descriptor 0, which says that there is none.
func TestReportedOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	fd := w.Fd()
	p := &Program{Steps: []Step{dupTo0(fd), Sys("close", syscall.SYS_CLOSE, 1000)}, Report: [2]int{int(fd), 0}}
	pid, err := p.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ended(t, pid, r, p.Names()); !errors.Is(err, syscall.EBADF) {
		t.Errorf("%v; want EBADF", err)
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
	x, err := Exec("/bin/sh", []string{"sh", "-c", ":"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range again.Tolerate {
		again.Tolerate = [3]syscall.Errno{}
		again.Tolerate[i] = syscall.EBADF
		if ws, err := start(t, &Program{Steps: []Step{dup, closing, again, x}, ExitCode: 7}); err != nil || ws.ExitStatus() != 0 {
			t.Errorf("tolerated = %d, %v; want 0, nil", ws.ExitStatus(), err)
		}
	}
}

// What a step stores a later one takes.
func TestStored(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	stored := new(int32)
	dup := OnFD("dup", syscall.SYS_DUP, int(w.Fd()))
	dup.Store, dup.Keep = addr(stored), []any{stored}
	write := Sys("write", syscall.SYS_WRITE, addr(stored), addr(&[1]byte{'x'}), 1)
	write.From[0], write.Keep = Load32, []any{stored}
	_, err = start(t, &Program{Steps: []Step{dup, write}})
	_ = w.Close()
	if got, readErr := io.ReadAll(r); err != nil || readErr != nil || string(got) != "x" {
		t.Errorf("%v; read %q, %v; want x", err, got, readErr)
	}
}

func TestSameAndExact(t *testing.T) {
	a, b := &[2]uint64{1, 2}, &[2]uint64{1, 3}
	cmp := Step{Name: "verify", Kind: Same, Args: [6]uintptr{addr(a), addr(b), 16}, Keep: []any{a, b}}
	if _, err := start(t, &Program{Steps: []Step{cmp}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Same of different memory = %v; want EINVAL", err)
	}
	cmp.Want = uintptr(syscall.EACCES)
	if _, err := start(t, &Program{Steps: []Step{cmp}}); !errors.Is(err, syscall.EACCES) {
		t.Errorf("Same of different memory = %v; want EACCES", err)
	}
	cmp.Args[2] = 8
	if ws, err := start(t, &Program{Steps: []Step{cmp}, ExitCode: 7}); err != nil || ws.ExitStatus() != 7 {
		t.Errorf("Same of what differs behind = %v", err)
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
	if r, w, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	marked := Mark("mark", 1, int(w.Fd()))
	if _, err := start(t, &Program{Steps: []Step{marked, Await("wait", int(r.Fd()))}}); err != nil {
		t.Errorf("Await of what was marked = %v", err)
	}
	_, _ = r.Close(), w.Close()
}
