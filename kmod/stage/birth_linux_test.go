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

// bear starts a program that has a birth, and gives the status of who stays.
func bear(t *testing.T, steps ...Step) (first, stays int, ws syscall.WaitStatus) {
	t.Helper()
	p := &Program{Steps: steps, ExitCode: 7}
	first, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	if expects := hasBirth(steps) >= 0; expects != (p.place != nil) {
		t.Errorf("memory for a birth: %v; want %v", p.place != nil, expects)
	}
	if stays, err = p.Settle(first); err != nil {
		t.Fatal(err)
	}
	if p.place != nil {
		t.Error("memory for the birth stays")
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

// The first process of a pid namespace can't make one that is its parent's child.
func TestNotBorn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	p := &Program{Fork: Fork{Flags: unix.CLONE_NEWPID}, Steps: []Step{BirthStep("be born")}, ExitCode: 7}
	if ws, err := start(t, p); !errors.Is(err, syscall.EINVAL) || ws.ExitStatus() != 7 {
		t.Errorf("ended with %d, %v; want 7, EINVAL", ws.ExitStatus(), err)
	}
	p.forgetBirth()
}

// What only the process itself can do is done by the one that stays, in its order.
func TestArrange(t *testing.T) {
	steps := []Step{
		Sys("session", unix.SYS_SETSID), Sys("dup", unix.SYS_DUP3, 4, 0, 0), Sys("tty", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0),
		Sys("size", unix.SYS_IOCTL, 0, unix.TIOCSWINSZ, 0), Sys("seek", unix.SYS_LSEEK, 0, unix.TIOCSCTTY, 0), Sys("group", unix.SYS_SETPGID, 0, 0), BirthStep("birth"), Sys("exec", unix.SYS_EXECVE),
	}
	p := &Program{Steps: slices.Clone(steps)}
	p.Arrange()
	if got, want := strings.Join(p.Names(), " "), "dup size seek birth session tty group exec"; got != want {
		t.Errorf("arranged: %s; want %s", got, want)
	}
	p = &Program{Steps: slices.Delete(slices.Clone(steps), 6, 7)}
	p.Arrange()
	if got, want := strings.Join(p.Names(), " "), "session dup tty size seek group exec"; got != want {
		t.Errorf("without a birth: %s; want %s", got, want)
	}
}
