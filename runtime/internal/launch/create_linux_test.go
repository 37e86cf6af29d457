package launch

// What becomes of a process that is set up: its terminal, and who learns how it
// ends.

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/monitor"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/undo"
	"golang.org/x/sys/unix"
)

// A terminal has its size before somebody gets it, and is ours if nobody wants it.
func TestTerminalHasItsSize(t *testing.T) {
	l := &Launch{sock: -1, master: -1, Plan: &oci.Plan{Process: &oci.Process{ConsoleSize: &oci.Size{Height: 21, Width: 71}}}}
	if err := l.handTerminal(); err != nil {
		t.Errorf("without a terminal, its size: %v", err)
	}
	for _, wanted := range []bool{false, true} {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
		fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		has := func() {
			t.Helper()
			if ws, err := unix.IoctlGetWinsize(int(slave.Fd()), unix.TIOCGWINSZ); err != nil || ws.Row != 21 || ws.Col != 71 {
				t.Errorf("the terminal has %+v, %v; want 71x21", ws, err)
			}
		}
		l.Caller.Terminal, l.master = nil, fd
		if wanted {
			l.Caller.Terminal = func(m *os.File) error { has(); return m.Close() }
		}
		err = l.handTerminal()
		if has(); err != nil || wanted != (l.master < 0) {
			t.Errorf("wanted %v: it is %d, %v", wanted, l.master, err)
		}
		if !wanted {
			_ = unix.Close(fd)
		}
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(p[0]), unix.Close(p[1]) }()
	l.master = p[0]
	if err := l.handTerminal(); !errors.Is(err, unix.ENOTTY) || l.master != p[0] {
		t.Errorf("what has no size: it is %d, %v", l.master, err)
	}
}

// zero is a program that has closed its standard input: what it opens next is
// descriptor 0, and that is one like the others.
func zero(string) error {
	if err := unix.Close(0); err != nil {
		return err
	}
	master, slave, err := pty.Open()
	if err != nil || master.Fd() != 0 {
		return errors.Join(fmt.Errorf("open terminal: %v", master), err)
	}
	l := &Launch{sock: -1, master: 0, Plan: &oci.Plan{Process: &oci.Process{ConsoleSize: &oci.Size{Height: 21, Width: 71}}}}
	if err := l.handTerminal(); err != nil {
		return err
	}
	if ws, err := unix.IoctlGetWinsize(int(slave.Fd()), unix.TIOCGWINSZ); err != nil || ws.Row != 21 {
		return errors.Join(fmt.Errorf("the terminal has %+v", ws), err)
	}
	if f, err := Attend(&process.Child{}, 0); err != nil || f.tty == nil {
		return errors.Join(errors.New("no terminal is attended"), err)
	}
	if err := unix.Close(0); err != nil {
		return err
	}
	socks, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil || socks[0] != 0 {
		return errors.Join(fmt.Errorf("make sockets: %v", socks), err)
	}
	if gone, err := (Caller{}).handTerminal(0, int(slave.Fd()), "/dev/pts/0"); !gone || err != nil {
		return errors.Join(errors.New("a terminal is not sent"), err)
	}
	return nil
}

// able is a kernel that keeps exit statuses, or not.
type able struct {
	kmod.Client
	level kmod.Level
	err   error
}

func (a able) Features() (kmod.Features, error) {
	return kmod.Features{ExitStatus: kmod.Support{Level: a.level}}, a.err
}

// A monitor is started where nobody else would keep the exit status, and ends with
// a create that is taken back.
func TestMonitorIsStarted(t *testing.T) {
	before := monitor.Start
	t.Cleanup(func() { monitor.Start = before })
	var child *process.Child
	var fails error
	start := func(pid int, path string) (*process.Child, error) {
		if pid != 4711 || path != "/state/"+state.ExitFile {
			t.Errorf("it watches %d for %s", pid, path)
		}
		if child = nil; fails == nil {
			child = sleeper(t)
		}
		return child, fails
	}
	for _, one := range []struct {
		name    string
		starter monitor.Starter
		wanted  bool
		kernel  able
		fails   error
		err     error
		started bool
	}{
		{"nobody keeps it", start, true, able{level: kmod.Absent}, nil, nil, true},
		{"the kernel does", start, true, able{level: kmod.Enforced}, nil, nil, false},
		{"the caller does", start, false, able{level: kmod.Absent}, nil, nil, false},
		{"no monitors here", nil, true, able{level: kmod.Absent}, nil, nil, false},
		{"who knows", start, true, able{err: errOurs}, nil, errOurs, false},
		{"it fails", start, true, able{level: kmod.Absent}, errOurs, errOurs, false},
	} {
		monitor.Start, fails, child = one.starter, one.fails, nil
		l := &Launch{Container: &state.Container{Dir: "/state"}, Kmod: one.kernel, Monitor: one.wanted, Undo: &undo.Stack{}, master: -1}
		l.Pid = 4711
		if err := l.startMonitor(); !errors.Is(err, one.err) || (child != nil) != one.started {
			t.Errorf("%s: started %v, %v", one.name, child != nil, err)
		}
		if err := l.Undo.Rollback(); err != nil {
			t.Error(err)
		}
		if one.started && !errors.Is(unix.Kill(child.Pid, 0), unix.ESRCH) {
			t.Errorf("%s: the monitor is there still", one.name)
		}
		if err := l.finish(t.Context()); one.err != nil && (!errors.Is(err, one.err) || l.Phase == state.Created) {
			t.Errorf("%s: it is %s, %v", one.name, l.Phase, err)
		}
	}
}
