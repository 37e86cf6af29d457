package launch

// A process that waits for start, as create leaves it, and what a program is told
// by descriptors of its own: both need programs, for which the tests start
// themselves again.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// childEnv says what the tests' program does when they start it again.
const childEnv = "LAUNCH_CHILD"

var children = map[string]func(arg string) error{
	// It has been given 3 and 4.
	"preserve": func(string) error {
		if err := (Caller{PreserveFDs: 1, Sockets: Sockets{N: 1}}).checkPreserved(); err != nil {
			return err
		}
		unix.CloseOnExec(4)
		if err := (Caller{PreserveFDs: 2}).checkPreserved(); !errors.Is(err, unix.EBADF) {
			return errors.Join(errors.New("one that closes: want EBADF"), err)
		}
		return (Caller{PreserveFDs: 1}).checkPreserved()
	},
	"directory": func(string) error {
		if err := (Caller{}).checkStreams(); err == nil || !strings.Contains(err.Error(), "descriptor 0 is a directory") {
			return errors.Join(errors.New("a directory: want it refused"), err)
		}
		return nil
	},
	// A pid file that does not get all leaves nothing.
	"full": func(p string) error {
		signal.Ignore(unix.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
			return err
		}
		if err := writePidFile(p, 4711); !errors.Is(err, unix.EFBIG) {
			return errors.Join(errors.New("write what is too large: want EFBIG"), err)
		}
		if left, err := filepath.Glob(filepath.Dir(p) + "/.*"); err != nil || len(left) > 0 {
			return errors.Join(fmt.Errorf("left: %v", left), err)
		}
		return nil
	},
	"zero": zero,
	// A hook, which says that it has run, if the record is there.
	"hook": func(arg string) error {
		dir, name, _ := strings.Cut(arg, " ")
		if err := (&state.Container{Dir: dir}).Read(); err != nil {
			return err
		}
		return appendTo(dir+"/ran", name)
	},
	"fail": func(string) error { return errors.New("no") },
	// It ends when its window changes.
	"winch": func(string) error {
		c := make(chan os.Signal, 1)
		signal.Notify(c, unix.SIGWINCH)
		fmt.Println("ready")
		<-c
		os.Exit(3)
		return nil
	},
	"wait": func(string) error {
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	},
}

func TestMain(m *testing.M) {
	what, arg, _ := strings.Cut(os.Getenv(childEnv), " ")
	if what == "" {
		os.Exit(m.Run())
	}
	if err := children[what](arg); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func own(t *testing.T) string {
	t.Helper()
	p, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func again(t *testing.T, what string, set func(cmd *exec.Cmd)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), own(t))
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	set(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v, %s", what, err, out)
	}
}

func TestOwnDescriptors(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	again(t, "preserve", func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{os.Stderr, os.Stderr} })
	again(t, "directory", func(cmd *exec.Cmd) { cmd.Stdin = dir })
	again(t, "zero", func(*exec.Cmd) {})
	again(t, "full "+filepath.Join(t.TempDir(), "pid"), func(*exec.Cmd) {})
}

// waiting makes a process as it is after a create.
func waiting(t *testing.T, l *Launch, steps ...stage.Step) *state.Container {
	t.Helper()
	l.Container = &state.Container{Dir: t.TempDir()}
	if err := l.openFiles(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.closeFiles)
	prog := &stage.Program{
		Steps:  append([]stage.Step{stage.Await("wait for start", l.fifo)}, steps...),
		Report: [2]int{l.errFile}, Tell: true, ExitCode: initExitCode, Inherit: stdio,
	}
	pid, err := prog.Start()
	if err != nil {
		t.Fatal(err)
	}
	child := &process.Child{Pid: pid}
	t.Cleanup(func() { _ = child.End() })
	if err := unix.Close(l.fifo); err != nil { // the child's alone now
		t.Fatal(err)
	}
	l.fifo = -1
	l.Pid = pid
	l.SetSteps(prog.Names())
	return l.Container
}

func execStep(t *testing.T, path, env string) stage.Step {
	t.Helper()
	s, err := stage.Exec(path, []string{path}, []string{env})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRelease(t *testing.T) {
	in, hold, err := os.Pipe() // nothing comes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), hold.Close() }()
	stdin := func() stage.Step { return process.DupTo("give it a standard input", int(in.Fd()), 0) }
	for _, c := range []struct {
		name  string
		steps []stage.Step
		want  string
	}{
		{"a program", []stage.Step{stdin(), execStep(t, "/bin/cat", "")}, ""},
		{"none", []stage.Step{execStep(t, "/nonexistent", "")}, "exec /nonexistent: " + unix.ENOENT.Error()},
		{"our own", []stage.Step{stdin(), execStep(t, own(t), childEnv+"=wait")}, "the runcell binary"},
	} {
		err := Release(waiting(t, &Launch{}, c.steps...))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Release = %v; want %q", c.name, err, c.want)
		}
	}
}

// Until the program runs, it is waited for, as long as there is patience.
func TestReleaseWaits(t *testing.T) {
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), hold.Close() }()
	late := []stage.Step{stage.Await("take its time", int(in.Fd())), process.DupTo("give it a standard input", int(in.Fd()), 0), execStep(t, "/bin/cat", "")}
	c := waiting(t, &Launch{}, late...)
	time.AfterFunc(50*time.Millisecond, func() { _, _ = hold.Write([]byte{1}) })
	if err := Release(c); err != nil {
		t.Errorf("Release = %v", err)
	}
	patience := execPatience
	defer func() { execPatience = patience }()
	execPatience = 10 * time.Millisecond
	if err := Release(waiting(t, &Launch{}, late...)); err == nil || !strings.Contains(err.Error(), "not done after 10ms") {
		t.Errorf("Release of what takes its time = %v", err)
	}
}

// A process that is gone is no longer to be started, and a report is read from
// what create has made only.
func TestNotReleased(t *testing.T) {
	l := &Launch{}
	c := waiting(t, l)
	if err := (&process.Child{Pid: l.Pid}).End(); err != nil {
		t.Fatal(err)
	}
	if err := Release(c); err == nil || !strings.Contains(err.Error(), "running already, or gone") {
		t.Errorf("Release of what has ended = %v", err)
	}
	c = waiting(t, &Launch{}, execStep(t, "/bin/cat", ""))
	if err := errors.Join(os.Rename(c.Path(state.ErrorFile), c.Path("other")), os.Symlink("other", c.Path(state.ErrorFile))); err != nil {
		t.Fatal(err)
	}
	if err := Release(c); !errors.Is(err, unix.ELOOP) {
		t.Errorf("Release with a link for a report = %v; want ELOOP", err)
	}
}

// A pidfd is sent of the process that runs.
func TestPidfdIsSent(t *testing.T) {
	p := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: p}), unix.Listen(fd, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	pidFile := filepath.Join(filepath.Dir(p), "pid")
	if err := (Caller{PidfdSocket: p, PidFile: pidFile}).tell(t.Context(), os.Getpid()); err != nil {
		t.Fatal(err)
	}
	conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(conn) }()
	var b [16]byte
	if n, err := unix.Read(conn, b[:]); err != nil || string(b[:n]) != "pidfd" {
		t.Errorf("sent: %q, %v", b[:max(n, 0)], err)
	}
	if b, err := os.ReadFile(pidFile); err != nil || string(b) != fmt.Sprint(os.Getpid()) {
		t.Errorf("pid file = %q, %v", b, err)
	}
}
