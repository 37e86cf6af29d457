package runtime

// Terminals that the runtime relays to its caller's.

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/creack/pty"
	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// terminals are those that the runtime relays to its own.
var terminals = []h.Case{
	{
		Name: "console/exec-background", Clause: "peers: exec ends with its program",
		Does: "exec --tty returns when its program ends, with a process in the background still holding the terminal", Run: func(t *t) {
			c := t.Running(h.Idle)
			out, p := inTerminal(t, "exec", "--tty", c.ID, h.ProbePath, "linger", ";", "mark", "last", ";", "exit", "4")
			p.Ends("exec goes on after its program has ended")
			if r := p.Wait(); r.Code != 4 {
				t.Errorf("want exit status 4: %s", r)
			}
			t.Succeeds(h.ParseLines(out()), "mark", "last")
		},
	},
	{
		Name: "console/reopened", Clause: "config.md Process, terminal",
		Does: "a program that closes its terminal and opens it again loses no output", Run: func(t *t) {
			b := t.Bundle(h.Terminal, h.Do("mark", "first", ";", "reopen", ";", "mark", "second"))
			out, p := inTerminal(t, "run", "--bundle", b.Dir, t.ID())
			if r := p.Wait(); r.Code != 0 {
				t.Errorf("want success: %s", r)
			}
			t.Succeeds(h.ParseLines(out()), "mark", "second")
		},
	},
	{
		Name: "console/resize", Clause: "runc command line: run with a terminal",
		Does: "a new size of the caller's terminal becomes the container's", Run: func(t *t) {
			master, slave, err := pty.Open()
			t.Must("open terminal", err)
			defer master.Close()
			id, b := t.ID(), t.Bundle(h.Terminal, h.Idle)
			out := readTerminal(master)
			p := t.Begin(call{Args: []string{"run", "--bundle", b.Dir, id}, Stdin: slave, Stdout: slave, Stderr: slave})
			t.Eventually(func() bool { return strings.Contains(out(), "ready") }, "the program is not ready")
			t.Must("set size", pty.Setsize(master, &pty.Winsize{Rows: 21, Cols: 61}))
			p.Signal(syscall.SIGWINCH) // the terminal is not its controlling one
			t.Eventually(func() bool { return strings.Contains(out(), "SIGWINCH") }, "the program does not learn of the size")
			t.Must("close terminal", slave.Close())
			t.OK("kill", id, "KILL")
			p.Wait()
		},
	},
}

// inTerminal runs the runtime in a terminal of its own; out gives what it shows.
func inTerminal(t *t, args ...string) (out func() string, p *h.Process) {
	master, slave, err := pty.Open()
	t.Must("open terminal", err)
	t.Cleanup(func() { _ = master.Close() })
	out = readTerminal(master)
	p = t.Begin(call{Args: args, Stdin: slave, Stdout: slave, Stderr: slave})
	t.Must("close terminal", slave.Close())
	return out, p
}

// readTerminal reads a terminal's master to its end; out gives what came so far.
func readTerminal(master *os.File) (out func() string) {
	var mu sync.Mutex
	var all bytes.Buffer
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			all.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.ReplaceAll(all.String(), "\r\n", "\n")
	}
}
