package signals

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/signame"
	"golang.org/x/sys/unix"
)

// Every signal is passed, or there is a line in the table that says why not.
func TestEverySignalHasItsPlace(t *testing.T) {
	seen := map[syscall.Signal]int{}
	for _, l := range [][]syscall.Signal{caught(passed), caught(ending), lost(), caught(own)} {
		for _, s := range l {
			seen[s]++
		}
	}
	for s := syscall.Signal(1); s <= signame.Last; s++ {
		if seen[s] != 1 {
			t.Errorf("%s is in %d places", Name(s), seen[s])
		}
	}
	for _, s := range []syscall.Signal{unix.SIGWINCH, unix.SIGPIPE, unix.SIGIO, unix.SIGTSTP, unix.SIGCONT, unix.SIGABRT, unix.SIGTRAP, unix.SIGSYS, unix.SIGSEGV} {
		if !slices.Contains(caught(passed), s) {
			t.Errorf("%s is not passed", Name(s))
		}
	}
}

// raise sends this process a signal as kill(1) does.
func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

// What comes before the program waits for it, what comes later goes to it, and
// neither ends this process.
func TestPassTo(t *testing.T) {
	ctx, c := Catch(t.Context(), Passing)
	defer c.Close()
	<-c.ready
	raise(t, unix.SIGUSR1)
	for len(c.held()) == 0 {
		time.Sleep(time.Millisecond)
	}
	got := make(chan syscall.Signal, 100)
	if err := c.PassTo(func(s syscall.Signal) { got <- s }); err != nil {
		t.Fatal(err)
	}
	<-c.all
	if s := <-got; s != unix.SIGUSR1 {
		t.Errorf("the signal that waited is %s", Name(s))
	}
	for _, want := range slices.Concat(caught(ending), caught(passed)) {
		if signal.Ignored(want) {
			continue // by the caller: nohup(1)
		}
		raise(t, want)
		select {
		case s := <-got:
			if s != want {
				t.Errorf("%s came as %s", Name(want), Name(s))
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s did not come", Name(want))
		}
	}
	for _, s := range lost() {
		raise(t, s)
	}
	if ctx.Err() != nil {
		t.Errorf("the context has ended: %v", context.Cause(ctx))
	}
}

// Which signals wait for the program goes by whether there will be one, and by
// whether a terminal can send any.
func TestEarly(t *testing.T) {
	was := atTerminal
	defer func() { atTerminal = was }()
	for _, c := range []struct {
		purpose  Purpose
		terminal bool
		want     []syscall.Signal
	}{
		{Passing, false, []syscall.Signal{unix.SIGUSR1, unix.SIGUSR2}},
		{Passing, true, []syscall.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGWINCH}},
		{Ending, false, nil},
		{Ending, true, []syscall.Signal{unix.SIGTSTP, unix.SIGWINCH}},
	} {
		atTerminal = func() bool { return c.terminal }
		_, catcher := Catch(t.Context(), c.purpose)
		<-catcher.ready
		for _, s := range []syscall.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTSTP, unix.SIGWINCH} {
			if s != unix.SIGTSTP || c.terminal { // it would stop the test
				raise(t, s)
			}
		}
		for range 2 { // the second shows that what came before the first has come
			before := len(catcher.held(unix.SIGPIPE))
			raise(t, unix.SIGPIPE)
			for len(catcher.held(unix.SIGPIPE)) == before {
				time.Sleep(time.Millisecond)
			}
		}
		got := slices.DeleteFunc(catcher.held(), func(s syscall.Signal) bool { return s == unix.SIGPIPE })
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v wait for the program", c, got)
		}
		catcher.Close()
	}
}

// held are those that wait: all, or the ones that are asked about.
func (c *Catcher) held(which ...syscall.Signal) []syscall.Signal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.waiting), func(s syscall.Signal) bool {
		return len(which) > 0 && !slices.Contains(which, s)
	})
}

// A signal that asks to end does so, and the program gets none any more.
func TestInterrupted(t *testing.T) {
	for _, s := range caught(ending) {
		if signal.Ignored(s) {
			continue // by the caller: nohup(1)
		}
		ctx, c := Catch(t.Context(), Passing)
		raise(t, s)
		<-ctx.Done()
		var why *Interrupted
		if err := c.PassTo(func(syscall.Signal) {}); !errors.As(err, &why) || why.ExitStatus() != 128+int(s) {
			t.Errorf("PassTo after %s = %v", Name(s), err)
		}
		c.Close()
	}
	var none *Catcher
	if err := none.PassTo(nil); err != nil {
		t.Errorf("PassTo without signals = %v", err)
	}
}

// A SIGPIPE of what this process said itself is nobody's: it neither waits for the
// program nor goes to it. Any other one does.
func TestOwnPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(unix.Dup2(stderr, unix.Stderr), unix.Close(stderr)); err != nil {
			t.Fatal(err)
		}
	}()
	if err := errors.Join(unix.Dup2(int(w.Fd()), unix.Stderr), w.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	_, c := Catch(t.Context(), Passing)
	defer c.Close()
	var got []syscall.Signal
	c.handle(unix.SIGPIPE)
	if held := c.held(); len(held) > 0 {
		t.Errorf("%v wait for the program", held)
	}
	if err := c.PassTo(func(s syscall.Signal) { got = append(got, s) }); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{unix.SIGPIPE, unix.SIGUSR1} {
		c.handle(s)
	}
	if want := []syscall.Signal{unix.SIGUSR1}; !slices.Equal(got, want) {
		t.Errorf("the program gets %v; want %v", got, want)
	}
}

// After Leave a signal has its default effect, as if none was caught.
func TestLeave(t *testing.T) {
	const child = "SIGNALS_TEST_LEAVE"
	if n, err := strconv.Atoi(os.Getenv(child)); err == nil {
		_, c := Catch(t.Context(), Passing)
		if err := c.PassTo(func(s syscall.Signal) { t.Errorf("%s went to the program", Name(s)) }); err != nil {
			t.Fatal(err)
		}
		c.Leave()
		raise(t, syscall.Signal(n))
		time.Sleep(time.Minute)
		return
	}
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLeave$")
		cmd.Env = append(os.Environ(), child+"="+strconv.Itoa(int(s)))
		err := cmd.Run()
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != s {
			t.Errorf("%s after Leave: %v; want it ended by the signal", Name(s), err)
		}
	}
}
