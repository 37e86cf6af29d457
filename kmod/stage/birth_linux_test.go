package stage

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// bear starts a program that has a birth, and gives the status of who stays.
func bear(t *testing.T, steps ...Step) (first, stays int, ws syscall.WaitStatus) {
	t.Helper()
	p := &Program{Steps: steps, ExitCode: 7}
	first, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	if stays, err = p.Settle(first); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(stays, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(first, nil, 0, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("process %d, which has made way for %d: %v; want it reaped", first, stays, err)
	}
	return first, stays, ws
}

func TestBirth(t *testing.T) {
	x, err := Exec("/bin/sh", []string{"sh", "-c", "exit 42"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := Sys("close", syscall.SYS_CLOSE, 1000)
	pid := Sys("getpid", syscall.SYS_GETPID)
	pid.Save = 1
	die := Sys("kill", syscall.SYS_KILL, 1, uintptr(syscall.SIGKILL))
	die.From[0] = Reg
	born := BirthStep("be born")
	for _, c := range []struct {
		name   string
		steps  []Step
		born   bool
		status int
		killed bool
	}{
		{"a program", []Step{born, x}, true, 42, false},
		{"a step that fails before", []Step{bad, born, x}, false, 7, false},
		{"a step that fails after", []Step{born, bad, x}, true, 7, false},
		{"killed before", []Step{pid, die, born, x}, false, -1, true},
		{"killed after", []Step{born, pid, die, x}, true, -1, true},
		{"no birth", []Step{x}, false, 42, false},
	} {
		first, stays, ws := bear(t, c.steps...)
		if born := first != stays; born != c.born || ws.ExitStatus() != c.status || ws.Signaled() != c.killed {
			t.Errorf("%s: born %v, %#x; want born %v, status %d, killed %v", c.name, born, ws, c.born, c.status, c.killed)
		}
	}
}

// What only the process itself can do is done by the one that stays, in its order.
func TestArrange(t *testing.T) {
	steps := []Step{
		Sys("session", unix.SYS_SETSID), Sys("dup", unix.SYS_DUP3, 4, 0, 0), Sys("tty", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0),
		Sys("size", unix.SYS_IOCTL, 0, unix.TIOCSWINSZ, 0), Sys("group", unix.SYS_SETPGID, 0, 0), BirthStep("birth"), Sys("exec", unix.SYS_EXECVE),
	}
	p := &Program{Steps: slices.Clone(steps)}
	p.Arrange()
	if got, want := strings.Join(p.Names(), " "), "dup size birth session tty group exec"; got != want {
		t.Errorf("arranged: %s; want %s", got, want)
	}
	p = &Program{Steps: slices.Delete(slices.Clone(steps), 5, 6)}
	p.Arrange()
	if got, want := strings.Join(p.Names(), " "), "session dup tty size group exec"; got != want {
		t.Errorf("without a birth: %s; want %s", got, want)
	}
}
