package launch

// Signals and terminals of a process that a command stays with.

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/signals"
	"golang.org/x/sys/unix"
)

// started is a process, which is ended if nobody else does it.
func started(t *testing.T, cmd *exec.Cmd) *process.Child {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := &process.Child{Pid: cmd.Process.Pid}
	t.Cleanup(func() { _ = child.End() })
	// What waits too long ends by another signal than what the test wants.
	limit := time.AfterFunc(30*time.Second, func() { _ = child.Signal(unix.SIGKILL) })
	t.Cleanup(func() { limit.Stop() })
	return child
}

func sleeper(t *testing.T) *process.Child { return started(t, exec.Command("/bin/sleep", "1000")) }

// winch is a process that ends with status 3 when its window changes.
func winch(t *testing.T) *process.Child {
	t.Helper()
	cmd := exec.Command(own(t))
	cmd.Env = append(os.Environ(), childEnv+"=winch")
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout = w
	child := started(t, cmd)
	_ = w.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	return child
}

// terminals are a process's, whose master the relay takes, and ours, if it is one.
type terminals struct {
	t      *testing.T
	master int      // the process's, which the relay has set not to block
	ours   *os.File // nil = our input is no terminal
	given  int
}

func newTerminals(t *testing.T, own bool) *terminals {
	t.Helper()
	x := &terminals{t: t}
	open := func() (master, slave *os.File) {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
		return master, slave
	}
	master, _ := open()
	x.master = int(master.Fd())
	stdin := os.Stdin
	t.Cleanup(func() { os.Stdin = stdin })
	if own {
		_, x.ours = open()
		os.Stdin = x.ours
	} else {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = r.Close(), w.Close() })
		os.Stdin = r
	}
	var err error
	if x.given, err = unix.FcntlInt(uintptr(x.master), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		t.Fatal(err)
	}
	return x
}

// resize gives our terminal a size.
func (x *terminals) resize(rows, cols uint16) {
	x.t.Helper()
	if err := pty.Setsize(x.ours, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		x.t.Fatal(err)
	}
}

// has asks for the size of the process's terminal.
func (x *terminals) has(rows, cols uint16) {
	x.t.Helper()
	if ws, err := unix.IoctlGetWinsize(x.master, unix.TIOCGWINSZ); err != nil || ws.Row != rows || ws.Col != cols {
		x.t.Errorf("the process's terminal has %+v, %v; want %dx%d", ws, err, cols, rows)
	}
}

// echoes tells whether our terminal does, which a raw one does not.
func (x *terminals) echoes() bool {
	x.t.Helper()
	modes, err := unix.IoctlGetTermios(int(x.ours.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return modes.Lflag&unix.ECHO != 0
}

// unread calls a function while nobody reads our standard output.
func unread(t *testing.T, call func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	if err = errors.Join(err, unix.Dup3(int(w.Fd()), unix.Stdout, 0), r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	call()
	if err := errors.Join(unix.Dup3(out, unix.Stdout, 0), unix.Close(out)); err != nil {
		t.Fatal(err)
	}
}

func attend(t *testing.T, child *process.Child, master int) *Foreground {
	t.Helper()
	f, err := Attend(child, master)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ends waits for a process, and wants a status as shells have it.
func ends(t *testing.T, f *Foreground, want int) {
	t.Helper()
	if status, err := f.Wait(); status != want || err != nil {
		t.Errorf("it ends with %d, %v; want %d", status, err, want)
	}
	if err := f.Leave(); err != nil {
		t.Error(err)
	}
}

// Without a terminal every signal goes through.
func TestSignalsGoThrough(t *testing.T) {
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGPIPE} {
		f := attend(t, sleeper(t), -1)
		unread(t, func() { f.Signal(s) })
		ends(t, f, 128+int(s))
	}
	f := attend(t, winch(t), -1)
	f.Signal(unix.SIGWINCH)
	ends(t, f, 3)
}

// A terminal that is not joined with ours is none that a signal is about.
func TestSignalsGoThroughBesideATerminal(t *testing.T) {
	f := attend(t, winch(t), newTerminals(t, false).given)
	f.Signal(unix.SIGWINCH)
	ends(t, f, 3)
	// SIGPIPE is of our own write where nobody reads: it is not passed.
	f = attend(t, sleeper(t), newTerminals(t, false).given)
	unread(t, func() {
		f.Signal(unix.SIGPIPE)
		f.Signal(unix.SIGTERM)
	})
	ends(t, f, 128+int(unix.SIGTERM))
	f = attend(t, sleeper(t), newTerminals(t, false).given)
	f.Signal(unix.SIGPIPE)
	ends(t, f, 128+int(unix.SIGPIPE))
}

// Our terminal is the process's, with its size and raw, until the process has ended.
func TestTerminalsAreJoined(t *testing.T) {
	x := newTerminals(t, true)
	x.resize(21, 71)
	child := sleeper(t)
	f := attend(t, child, x.given)
	x.has(21, 71)
	x.resize(22, 72)
	f.Signal(unix.SIGWINCH)
	x.has(22, 72)
	if !x.echoes() {
		t.Error("our terminal is taken before the process is waited for")
	}
	done := make(chan int)
	go func() {
		status, err := f.Wait()
		if err != nil {
			t.Error(err)
		}
		done <- status
	}()
	for began := time.Now(); x.echoes(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Error("our terminal is not taken")
			break
		}
	}
	x.resize(23, 73)
	f.Signal(unix.SIGCONT)
	x.has(23, 73)
	f.Signal(unix.SIGTERM)
	if status := <-done; status != 128+int(unix.SIGTERM) {
		t.Errorf("it ends with %d; want SIGTERM", status)
	}
	if err := f.Leave(); err != nil {
		t.Error(err)
	}
	if !x.echoes() {
		t.Error("our terminal does not have its modes again")
	}
}

// Whoever stays with an exec passes signals on, and ends what it can't stay with.
func TestExecutedIsAttended(t *testing.T) {
	_, caught := signals.Catch(t.Context(), signals.Passing)
	done := make(chan struct{})
	go func() { // it is caught some time, and does nothing before
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				_ = unix.Kill(os.Getpid(), unix.SIGUSR1)
			}
		}
	}()
	x := &Executed{sleeper(t), -1}
	if status, err := x.Attend(caught); status != 128+int(unix.SIGUSR1) || err != nil {
		t.Errorf("Attend = %d, %v; want SIGUSR1 passed on", status, err)
	}
	close(done)
	caught.Close()
	x = &Executed{sleeper(t), 1 << 20}
	if _, err := x.Attend(nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("Attend with no terminal = %v; want EBADF", err)
	}
	if err := unix.Kill(x.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the process is there still: %v", err)
	}
}
