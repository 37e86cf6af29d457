//go:build linux || netbsd

package stage

import (
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
	p := &Program{Inherit: 3, Report: [2]int{50, 0}, Steps: []Step{
		OnFD("enter", unix.SYS_FCHDIR, 30), load, later, register, Mark("mark", 0, 20),
		Sys("open", unix.SYS_OPENAT, ^uintptr(99), 0, 0),
	}}
	got, err := p.kept()
	if want := []int{0, 1, 2, 20, 30, 40, 50}; err != nil || !slices.Equal(got, want) {
		t.Errorf("kept = %v, %v; want %v", got, err, want)
	}
}

// A call that is not known could take a descriptor that would be closed.
func TestUnknownCallIsRefused(t *testing.T) {
	p := &Program{Inherit: 3, Steps: []Step{Sys("odd", unix.SYS_ACCEPT, 0, 0, 0)}}
	if _, err := p.Start(); err == nil || !strings.Contains(err.Error(), `"odd": system call`) {
		t.Errorf("Start = %v; want an error that names the step", err)
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
