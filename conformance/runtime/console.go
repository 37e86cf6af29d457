package runtime

// Terminals and the console socket.

import (
	"strings"
	"time"

	"github.com/creack/pty"
	h "github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// size is a console size that no terminal has by default.
func size(s *specs.Spec) { s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 77} }

var console = []h.Case{
	{
		Name: "console/one-descriptor", Clause: "containerd, conmon: console socket",
		Does: "one message comes: 1-4095 bytes and one SCM_RIGHTS with one descriptor, then the end", Run: func(t *t) {
			s := t.Console("console.sock")
			t.CreateFrom(t.Bundle(h.Terminal, h.Idle), "--console-socket", s.Path)
			s.Master()
			s.Finished()
			if s.Messages != 1 || s.FDs != 1 || len(s.Payload) < 1 || len(s.Payload) > 4095 || s.More != 0 {
				t.Errorf("%d control messages, %d descriptors, payload %q, then %d bytes", s.Messages, s.FDs, s.Payload, s.More)
			}
		},
	},
	{
		Name: "console/name", Clause: "containerd, conmon: console socket",
		Does: "the message's bytes are the terminal's name", Run: func(t *t) {
			s := t.Console("console.sock")
			t.CreateFrom(t.Bundle(h.Terminal, h.Idle), "--console-socket", s.Path)
			s.Master()
			if name := strings.TrimRight(string(s.Payload), "\x00"); !strings.Contains(name, "pt") {
				t.Errorf("the name is %q", name)
			}
		},
	},
	{
		Name: "console/before-create-returns", Clause: "containerd: console socket",
		Does: "the terminal is sent before create returns", Run: func(t *t) {
			s := t.Console("console.sock")
			t.CreateFrom(t.Bundle(h.Terminal, h.Idle), "--console-socket", s.Path)
			time.Sleep(20 * time.Millisecond) // to receive what was sent
			if !s.Received() {
				t.Errorf("no terminal when create has returned")
			}
		},
	},
	{
		Name: "console/streams", Clause: "config.md Process, terminal",
		Does: "0, 1 and 2 are the terminal, which is the controlling one of a new session", Run: func(t *t) {
			s := t.Console("console.sock")
			c := t.CreateFrom(t.Bundle(h.Terminal, h.Idle), "--console-socket", s.Path)
			s.Master()
			c.Start()
			s.WaitLine("facts")
			f := t.Line(s.Lines(), "facts").Facts
			if tty := f.Terminal; !tty.Stdin || !tty.Stdout || !tty.Stderr || !tty.Controlling {
				t.Errorf("terminal: %+v", tty)
			}
			if f.Sid != f.Pid {
				t.Errorf("session %d of process %d", f.Sid, f.Pid)
			}
			if fds := numbers(f.FDs); len(fds) != 3 {
				t.Errorf("descriptors are %v", f.FDs)
			}
		},
	},
	{
		Name: "console/size", Clause: "config.md Process, consoleSize",
		Does: "the terminal has the configured size", Run: func(t *t) {
			s := t.Console("console.sock")
			c := t.CreateFrom(t.Bundle(h.Terminal, size, h.Idle), "--console-socket", s.Path)
			s.Master()
			c.Start()
			s.WaitLine("facts")
			if tty := t.Line(s.Lines(), "facts").Facts.Terminal; tty.Rows != 33 || tty.Columns != 77 {
				t.Errorf("size is %d x %d", tty.Rows, tty.Columns)
			}
		},
	},
	{
		Name: "console/input", Clause: "config.md Process, terminal",
		Does: "what is typed into the master arrives at the program", Run: func(t *t) {
			s := t.Console("console.sock")
			c := t.CreateFrom(t.Bundle(h.Terminal, h.Do("mark", "asking", ";", "readline")), "--console-socket", s.Path)
			m := s.Master()
			c.Start()
			s.WaitLine("mark")
			_, err := m.WriteString("typed\n")
			t.Must("type", err)
			s.WaitLine("readline")
			if got := t.Line(s.Lines(), "readline").Text; got != "typed\n" {
				t.Errorf("the program read %q", got)
			}
		},
	},
	{
		Name: "console/interrupt", Clause: "config.md Process, terminal",
		Does: "control-C in the terminal is SIGINT in the program", Run: func(t *t) {
			s := t.Console("console.sock")
			c := t.CreateFrom(t.Bundle(h.Terminal, h.Do("trap", "0")), "--console-socket", s.Path)
			m := s.Master()
			c.Start()
			s.WaitLine("ready")
			_, err := m.WriteString("\x03")
			t.Must("type", err)
			s.WaitLine("signal")
			if got := t.Line(s.Lines(), "signal").Text; got != "SIGINT" {
				t.Errorf("the program got %s", got)
			}
		},
	},
	{
		Name: "console/user", Clause: "config.md Process, terminal and user",
		Does: "another user's program can open its terminal", Run: func(t *t) {
			s := t.Console("console.sock")
			c := t.CreateFrom(t.Bundle(h.Terminal, h.User(1000, 1000), h.Idle), "--console-socket", s.Path)
			s.Master()
			c.Start()
			s.WaitLine("facts")
			if !t.Line(s.Lines(), "facts").Facts.Terminal.Controlling {
				t.Errorf("/dev/tty does not open")
			}
		},
	},
	{
		Name: "console/terminal-without-socket", Clause: "runc command line: create with a terminal",
		Does: "create with a terminal and no socket is an error", Run: func(t *t) {
			refusedCreate(t, t.Bundle(h.Terminal, h.Idle))
		},
	},
	{
		Name: "console/socket-without-terminal", Clause: "runc command line: console socket",
		Does: "a socket without a terminal is an error", Run: func(t *t) {
			s := t.Console("console.sock")
			refusedCreate(t, t.Bundle(h.Idle), "--console-socket", s.Path)
		},
	},
	{
		Name: "console/nobody-listens", Clause: "containerd, conmon: console socket",
		Does: "a socket that does not answer is an error and leaves nothing", Run: func(t *t) {
			refusedCreate(t, t.Bundle(h.Terminal, h.Idle), "--console-socket", t.Path("nobody.sock"))
		},
	},
	{
		Name: "console/long-path", Clause: "clients: console socket paths longer than sun_path",
		Does: "a socket whose path is longer than sun_path works", Run: func(t *t) {
			s := t.Console(strings.Repeat("d", 60), strings.Repeat("e", 60), "console.sock")
			t.CreateFrom(t.Bundle(h.Terminal, h.Idle), "--console-socket", s.Path)
			s.Master()
		},
	},
	{
		Name: "console/size-without-terminal", Clause: "config.md Process, consoleSize",
		Does: "consoleSize without a terminal is ignored", Run: func(t *t) {
			if tty := t.Facts(size).Terminal; tty.Stdin || tty.Stdout {
				t.Errorf("terminal: %+v", tty)
			}
		},
	},
	{
		Name: "console/run-in-terminal", Clause: "runc command line: run with a terminal",
		Does: "run connects the caller's terminal with the container's", Run: runInTerminal,
	},
}

// runInTerminal runs the runtime in a terminal of its own, as a user does.
func runInTerminal(t *t) {
	master, slave, err := pty.Open()
	t.Must("open terminal", err)
	defer master.Close()
	t.Must("set size", pty.Setsize(master, &pty.Winsize{Rows: 31, Cols: 71}))
	output := make(chan string, 1)
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				break
			}
		}
		output <- strings.ReplaceAll(string(all), "\r\n", "\n")
	}()
	b := t.Bundle(h.Terminal, h.Do("facts", ";", "exit", "9"))
	p := t.Begin(call{Args: []string{"run", "--bundle", b.Dir, t.ID()}, Stdin: slave, Stdout: slave, Stderr: slave})
	t.Must("close terminal", slave.Close())
	r := p.Wait()
	lines := h.ParseLines(<-output)
	if r.Code != 9 {
		t.Errorf("want exit status 9: %s", r)
	}
	if tty := t.Line(lines, "facts").Facts.Terminal; !tty.Stdin || !tty.Controlling {
		t.Errorf("terminal: %+v", tty)
	}
}
