package main

// A password that is typed.

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// atTerminal is a login in a process of its own, at a terminal.
type atTerminal struct {
	*testing.T
	cmd    *exec.Cmd
	tty    *os.File // stays open, so that the terminal outlives the process
	keys   *os.File
	screen lockedBuffer
}

func loginAtTerminal(t *testing.T, args ...string) *atTerminal {
	t.Helper()
	keys, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	a := &atTerminal{T: t, tty: tty, keys: keys, cmd: exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")}
	a.cmd.Env = append(os.Environ(), imageChild+"="+strings.Join(append([]string{"runcell", "registry", "login"}, args...), "\n"))
	a.cmd.Stdin, a.cmd.Stdout, a.cmd.Stderr = tty, tty, tty
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(&a.screen, keys) }()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = tty.Close()
		_ = keys.Close()
	})
	return a
}

func (a *atTerminal) until(what string, ok func() bool) {
	a.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			a.Fatalf("in vain: %s; on the screen is %q", what, a.screen.String())
		}
	}
}

func (a *atTerminal) shows(text string) {
	a.Helper()
	a.until(text, func() bool { return strings.Contains(a.screen.String(), text) })
}

func (a *atTerminal) echoes() bool {
	a.Helper()
	state, err := unix.IoctlGetTermios(int(a.tty.Fd()), unix.TCGETS)
	if err != nil {
		a.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func (a *atTerminal) types(text string) {
	a.Helper()
	if _, err := a.keys.WriteString(text); err != nil {
		a.Fatal(err)
	}
}

// What is typed for a password is not shown.
func TestLoginAtTerminal(t *testing.T) {
	asChild()
	a := loginAtTerminal(t, "--authfile", t.TempDir()+"/auth.json", guarded(t))
	a.shows("User name: ")
	a.types("me\n")
	a.shows("Password: ")
	a.until("no echo", func() bool { return !a.echoes() })
	a.types("se:cret\n")
	a.shows("logged in as me")
	if err := a.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if screen := a.screen.String(); strings.Contains(screen, "cret") || !a.echoes() {
		t.Errorf("the screen shows %q; the terminal echoes: %v", screen, a.echoes())
	}
}

// A signal ends the question, and the terminal shows what is typed again.
func TestLoginInterrupted(t *testing.T) {
	asChild()
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		a := loginAtTerminal(t, "--username", "me", "--authfile", t.TempDir()+"/auth.json", guarded(t))
		a.shows("Password: ")
		a.until("no echo", func() bool { return !a.echoes() })
		if err := a.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = a.cmd.Wait()
		if code := a.cmd.ProcessState.ExitCode(); code != 128+int(sig) || !a.echoes() {
			t.Errorf("after %v: %v; the terminal echoes: %v", sig, a.cmd.ProcessState, a.echoes())
		}
	}
	a := loginAtTerminal(t, guarded(t))
	a.shows("User name: ")
	_ = a.cmd.Process.Signal(unix.SIGTERM)
	_ = a.cmd.Wait()
	if code := a.cmd.ProcessState.ExitCode(); code != 128+int(unix.SIGTERM) {
		t.Errorf("asked for the user: %v", a.cmd.ProcessState)
	}
}
