//go:build linux || netbsd

package stage

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What a step works with is kept without being told, as a number and in memory;
// what a step before it has made is not the parent's.
func TestKeptDescriptors(t *testing.T) {
	inMemory, own := new(int32), new(int32)
	*inMemory, *own = 40, -1
	load := Sys("close what is in memory", unix.SYS_CLOSE, addr(inMemory))
	load.From[0], load.Keep = Load32, []any{inMemory}
	later := Sys("close what was stored", unix.SYS_CLOSE, addr(own))
	later.From[0], later.Keep = Load32, []any{own}
	register := Sys("close what is in a register", unix.SYS_CLOSE, 1)
	register.From[0] = Reg
	for _, c := range []struct {
		p    Program
		want []int
	}{
		{Program{Inherit: 3, Report: [2]int{50, 0}, Steps: []Step{
			OnFD("enter", unix.SYS_FCHDIR, 30), load, later, register, Mark("mark", 0, 20),
			Sys("open", unix.SYS_OPENAT, ^uintptr(99), 0, 0),
			{Name: "addresses are no descriptors", Kind: Same, Args: [6]uintptr{60, 60, 0}},
		}}, []int{0, 1, 2, 20, 30, 40, 50}},
		{Program{Report: [2]int{50, 0}}, []int{50}},
		{Program{Steps: []Step{OnFD("close the lowest", unix.SYS_CLOSE, 0)}}, []int{0}},
	} {
		if got, err := c.p.kept(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("kept = %v, %v; want %v", got, err, c.want)
		}
	}
}

func TestGaps(t *testing.T) {
	for _, c := range []struct {
		kept []int
		want []span
	}{
		{nil, []span{{0, lastDescriptor}}},
		{[]int{0, 1, 2}, []span{{3, lastDescriptor}}},
		{[]int{1, 3, 4, 9}, []span{{0, 0}, {2, 2}, {5, 8}, {10, lastDescriptor}}},
	} {
		if got := gaps(c.kept); !slices.Equal(got, c.want) {
			t.Errorf("gaps of %v: %v; want %v", c.kept, got, c.want)
		}
	}
}

// A call that is not known could take a descriptor that would be closed.
func TestUnknownCallIsRefused(t *testing.T) {
	p := &Program{Inherit: 3, Steps: []Step{Sys("odd", unix.SYS_ACCEPT, 0, 0, 0)}}
	if _, err := p.Start(); err == nil || !strings.Contains(err.Error(), `"odd": system call`) {
		t.Errorf("Start = %v; want an error that names the step", err)
	}
}

// A child has nothing that no step names: here one writes to a descriptor whose
// number it learns from umask(2) only.
func TestChildHasNothingElse(t *testing.T) {
	_, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	ask := Sys("ask for the number", unix.SYS_UMASK, 0)
	ask.Save = 1
	write := Sys("write", unix.SYS_WRITE, 1, addr(&[1]byte{'x'}), 1)
	write.From[0], write.Tolerate[0] = Reg, syscall.EPIPE // nobody reads
	for inherit, want := range map[int]error{0: nil, 3: syscall.EBADF} {
		_, err := start(t, &Program{Inherit: inherit, Steps: []Step{Sys("tell the number", unix.SYS_UMASK, w.Fd()), ask, write}})
		if !errors.Is(err, want) {
			t.Errorf("of %d inherited, a write to another: %v; want %v", inherit, err, want)
		}
	}
}

// A child that could not close its parent's descriptors does nothing.
func TestNotClosed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	m := &machine{shut: []Step{Sys("", unix.SYS_CLOSE, 1000)}, steps: []Step{Mark("mark", 0, int(w.Fd()))}, report: [2]int{int(w.Fd())}, exit: 7}
	m.child.prepare(Fork{})
	pid, errno := forkRun(m)
	_ = w.Close()
	if errno != 0 {
		t.Fatal(errno)
	}
	ws, err := ended(t, pid, r, []string{"mark"})
	if !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "close the parent's descriptors") || ws.ExitStatus() != 7 {
		t.Errorf("ended with %d, %v; want 7, the descriptors", ws.ExitStatus(), err)
	}
}

// A child has what its steps name and nothing else.
func TestChildKeepsWhatItsStepsName(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	fd := int(w.Fd())
	pid, err := (&Program{Inherit: 3, Steps: []Step{
		OnFD("write", unix.SYS_WRITE, fd, addr(&[1]byte{'x'}), 1), Sys("exec nothing", unix.SYS_EXECVE, 0, 0, 0),
	}, ExitCode: 9}).Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	_, err = syscall.Wait4(pid, &ws, 0, nil)
	var b [2]byte
	if n, _ := r.Read(b[:]); err != nil || n != 1 || ws.ExitStatus() != 9 {
		t.Errorf("the child wrote %d bytes and ended with %d, %v", n, ws.ExitStatus(), err)
	}
}
