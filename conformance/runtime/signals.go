package runtime

// Signals that the runtime itself gets: from a user's terminal, from a service
// manager, from the kernel when a pipe or a terminal goes.

import (
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	h "github.com/netbsd-cells/runcell/conformance/harness"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// passedOn are the signals that have to reach the program. Missing are those
// that can't be caught, that runtimes need for themselves, and those by which a
// kernel stops a job in the background.
var passedOn = []string{
	first, "HUP", "INT", "QUIT", "TERM", "USR2", "PIPE", firstRare, "ALRM", "CONT", "WINCH", "IO", "TSTP",
	"ABRT", "TRAP", "SYS", "SEGV", "BUS", "FPE", "ILL", "EMT", "INFO", "VTALRM", "XCPU", "XFSZ",
}

// first ends no runtime that has not learned of its program yet. It is sent again
// until it arrives, and then the runtime knows.
const first = "USR1"

// firstRare is the first of them that nobody sends to a program which has just
// begun, and that runtimes may begin to catch a moment later: it is sent again. Its
// number is higher than the other ones'.
const firstRare = "PWR"

// realTime is a real-time signal that no library keeps for itself.
const realTime = syscall.Signal(40)

// passAll sends each signal to a runtime's process and looks for it in what the
// program prints.
func passAll(t *t, p *h.Process) {
	send := func(s syscall.Signal, name string) {
		p.Signal(s)
		for looks, deadline := 0, time.Now().Add(t.Limit(time.Second)); ; time.Sleep(2 * time.Millisecond) {
			if looks++; (name == "SIG"+first || name == "SIG"+firstRare) && looks%100 == 0 {
				p.Signal(s)
			}
			for _, line := range h.ParseLines(p.Output()) {
				if line.Op == "signal" && line.Text == name {
					return
				}
			}
			if p.Done() {
				t.Fatalf("%s ends the runtime: %s", name, p.Wait())
			}
			if time.Now().After(deadline) {
				t.Errorf("%s does not reach the program", name)
				p.Signal(syscall.SIGCONT) // it may have stopped the runtime
				return
			}
		}
	}
	for _, name := range passedOn {
		if s := unix.SignalNum("SIG" + name); s != 0 { // this system has it
			send(s, unix.SignalName(s))
		}
	}
	if slices.Contains(linux, goruntime.GOOS) {
		send(realTime, fmt.Sprintf("signal %d", int(realTime)))
	}
}

var signals = slices.Concat([]h.Case{
	{
		Name: "signals/run", Clause: "runc command line: run forwards signals", Timeout: 90 * time.Second,
		Does: "every signal that can be passed on reaches run's program, and ends nobody else", Run: func(t *t) {
			id, p := foreground(t, h.Idle)
			passAll(t, p)
			t.OK("kill", id, "KILL")
			if r := p.Wait(); r.Code != 128+9 {
				t.Errorf("want exit status 137: %s", r)
			}
		},
	},
	{
		Name: "signals/exec", Clause: "runc command line: exec forwards signals", Timeout: 90 * time.Second,
		Does: "every signal that can be passed on reaches exec's program", Run: func(t *t) {
			c := t.Running(h.Idle)
			p := t.Begin(call{Args: []string{"exec", c.ID, h.ProbePath, "signals"}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") }, "the process is not ready")
			time.Sleep(10 * time.Millisecond) // exec may learn of its program after that
			passAll(t, p)
			c.Kill("KILL")
			t.OK("delete", "--force", c.ID)
			p.Wait()
		},
	},
	{
		Name: "signals/ignored", Clause: "nohup(1)", OS: linux, Else: "it needs a shell",
		Does: "a SIGHUP that the caller ignores does not reach the program", Run: func(t *t) {
			id := t.ID()
			b := t.Bundle(h.Idle)
			p := t.Begin(call{Path: "/bin/sh", Args: []string{"-c", `trap "" HUP; exec "$@"`, "sh", t.Target.Path, "--root", t.Root, "run", "--bundle", b.Dir, id}})
			t.Eventually(func() bool { return strings.Contains(p.Output(), "ready") }, "the program is not ready")
			time.Sleep(10 * time.Millisecond)
			p.Signal(syscall.SIGHUP)
			t.Never(func() bool { return strings.Contains(p.Output(), "SIGHUP") || p.Done() }, "the program got SIGHUP")
			t.OK("kill", id, "KILL")
			p.Wait()
		},
	},
	{
		Name: "signals/pipe", Clause: "pipe(7): a reader that goes",
		Does: "when the reader of run's output goes, the container ends or goes on, and the terminal is as it was", Run: brokenPipe,
	},
	{
		Name: "signals/background", Clause: "termios(4), tty(4): job control",
		Does: "run of a terminal in the background keeps no other command from the container", Run: background,
	},
	{
		Name: "signals/foreground", Clause: "termios(4), tty(4): job control",
		Does: "run of a terminal in the background shows its output, and takes what is typed once it is in the foreground", Run: foregrounded,
	},
}, interrupted())

// interrupted are creates that a signal ends in the middle.
func interrupted() []h.Case {
	var cases []h.Case
	for _, c := range []struct{ command, signal string }{{"create", "TERM"}, {"run", "HUP"}, {"run", "INT"}, {"run", "TERM"}} {
		cases = append(cases, h.Case{
			Name: "signals/" + c.command + "-" + c.signal, Clause: "runtime.md Lifecycle, steps 4 and 13",
			Does: c.signal + " during a createRuntime hook ends " + c.command + " with 128+n; the hook is ended, poststop runs, and nothing is left",
			Run:  func(t *t) { interrupt(t, c.command, unix.SignalNum("SIG"+c.signal)) },
		})
	}
	return append(cases, h.Case{
		Name: "signals/run-start", Clause: "runtime.md Lifecycle, steps 7 and 13",
		Does: "TERM during a startContainer hook ends run with 143, and nothing is left", Run: func(t *t) {
			p := t.Begin(call{Args: []string{"--debug", "run", "--bundle", t.Bundle(withLog(t), h.Do("mark", "ran"),
				addHook("startContainer", hook(t, "startContainer", "slow", "sleep", "600s")), addHook("poststop", hook(t, "poststop", "poststop"))).Dir, t.ID()}})
			t.Eventually(func() bool { return slices.Contains(logged(t).Ops(), "ready") }, "the hook is not there")
			p.Signal(syscall.SIGTERM)
			endsInterrupted(t, p, syscall.SIGTERM)
		},
	})
}

func interrupt(t *t, command string, s syscall.Signal) {
	b := t.Bundle(withLog(t), h.Idle, addHook("createRuntime", hook(t, "createRuntime", "slow", "sleep", "600s", ";", "mark", "survived")),
		addHook("poststop", hook(t, "poststop", "poststop")))
	p := t.Begin(call{Args: []string{"--debug", command, "--bundle", b.Dir, t.ID()}}) // it says what it waits for
	t.Eventually(func() bool { return slices.Contains(logged(t).Ops(), "ready") }, "the hook is not there")
	p.Signal(s)
	endsInterrupted(t, p, s)
}

// endsInterrupted checks how a command ends, and that the sweep will find
// nothing: before it could remove it.
func endsInterrupted(t *t, p *h.Process, s syscall.Signal) {
	p.Ends("the runtime goes on")
	r := p.Wait()
	if r.Code != 128+int(s) {
		t.Errorf("want exit status %d: %s", 128+int(s), r)
	}
	id := r.Args[len(r.Args)-1]
	t.Unknown(id)
	if left := stateOf(t, id); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if got := logged(t).Ops(); !slices.Contains(got, "hook poststop") {
		t.Errorf("hooks ran as %q", got)
	}
}

// brokenPipe is `run … | head -1` in a terminal.
func brokenPipe(t *t) {
	master, slave, err := pty.Open()
	t.Must("open terminal", err)
	defer master.Close()
	defer slave.Close()
	before, err := term.GetState(int(slave.Fd()))
	t.Must("look at the terminal", err)
	r, w, err := os.Pipe()
	t.Must("make pipe", err)
	id := t.ID()
	p := t.Begin(call{Args: []string{"run", "--bundle", t.Bundle(h.Terminal, h.Do("mark", "first", ";", "flood", "1000000", ";", "mark", "second")).Dir, id}, Stdin: slave, Stdout: w})
	t.Must("close pipe", w.Close())
	_, err = r.Read(make([]byte, 10))
	t.Must("read the first bytes", err)
	t.Must("close pipe", r.Close())
	p.Ends("run goes on, with nobody to read what it says")
	if res := p.Wait(); res.Code == 128+int(syscall.SIGPIPE) {
		// As the program's status it would be right, too, but it does not die of it.
		t.Errorf("SIGPIPE ended the runtime: %s", res)
	}
	t.Unknown(id)
	if after, err := term.GetState(int(slave.Fd())); err != nil || fmt.Sprint(*after) != fmt.Sprint(*before) {
		t.Errorf("the terminal has other modes than before: %v", err)
	}
}

// job runs a bundle as `run … &` does in a shell with job control: op is the
// probe's, which is the shell.
func job(t *t, op string, b *h.Bundle) (id string, p *h.Process, master *os.File, out func() string) {
	master, slave, err := pty.Open()
	t.Must("open terminal", err)
	t.Cleanup(func() { _ = master.Close() })
	id, out = t.ID(), readTerminal(master)
	argv, err := json.Marshal([]string{t.Target.Path, "--root", t.Root, "run", "--bundle", b.Dir, id})
	t.Must("encode arguments", err)
	p = t.Begin(call{
		Path: t.HostProbe(), Args: []string{op, string(argv)}, Stdin: slave, Stdout: slave, Stderr: slave,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	})
	t.Must("close terminal", slave.Close())
	t.Eventually(func() bool { return strings.Contains(t.Try("state", id).Stdout, `"running"`) }, "the container does not run")
	time.Sleep(50 * time.Millisecond) // for the runtime to touch its terminal
	return id, p, master, out
}

// foregrounded is `run … &`, and then `fg`.
func foregrounded(t *t) {
	_, p, master, out := job(t, "jobfg", t.Bundle(h.Terminal, h.Do("mark", "asking", ";", "readline", ";", "mark", "asking", ";", "readline")))
	t.Eventually(func() bool { return strings.Contains(out(), "asking") }, "nothing of the program's output: %q", out())
	p.Signal(syscall.SIGUSR1)
	time.Sleep(500 * time.Millisecond) // nobody tells a job that it is in the foreground
	for _, text := range []string{"typed", "again"} {
		_, err := master.WriteString(text + "\n")
		t.Must("type", err)
		t.Eventually(func() bool {
			_, ok := h.ParseLines(out()).Find("readline")
			return ok && strings.Contains(out(), `"text":"`+text)
		}, "what was typed does not arrive: %q", out())
	}
	p.Wait()
}

// background is `run … &` in a shell with job control.
func background(t *t) {
	id, p, _, _ := job(t, "job", t.Bundle(h.Terminal, h.Idle))
	began := time.Now()
	t.OK("delete", "--force", id)
	if took := time.Since(began); took > t.Limit(5*time.Second) {
		t.Errorf("delete --force took %s", took)
	}
	t.Unknown(id)
	p.Signal(syscall.SIGTERM) // the job goes with its shell
	p.Wait()
}
