package containerd

// Sessions of ctr: run in all forms, exec, terminals.

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/creack/pty"
	h "github.com/netbsd-cells/runcell/conformance/harness"
)

// inOrder wants n numbered lines. A client of containerd 2.4 closes its FIFOs when
// the task has ended (cio.Cancel), read or not: what comes by way of one is whole
// only if the shim tells the end when all is read.
func inOrder(t *t, where, text string, n int) {
	i := 0
	for line := range strings.Lines(text) {
		i++
		if want := "line " + strconv.Itoa(i) + "\n"; line != want {
			t.Fatalf("%s: line %d is %q; want %q", where, i, line, want)
		}
	}
	if i != n {
		t.Errorf("%s has %d lines; want %d", where, i, n)
	}
}

// run is ctr run --rm with the probe.
func (d *daemon) run(id string, ops ...string) h.CmdResult {
	return d.ctr(append([]string{"run", "--rm", image, id, h.ProbePath}, ops...)...)
}

// input is a file with a text, to read.
func input(t *t, text string) *os.File {
	f, err := os.Open(t.WriteFile(text, "input"))
	t.Must("open input", err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

var runs = []h.Case{
	{
		Name: "run/forms", Clause: "ctr run --rm",
		Does: "output, standard error and exit status arrive, and a missing program is named", Run: func(t *t) {
			d := with(t)
			said(t, d.run("a", "say", "hello"), 0, "hello")
			said(t, d.run("b", "exit", "7"), 7, "")
			if r := d.run("c", "complain", "oh", ";", "exit", "3"); r.Code != 3 || !strings.Contains(r.Stderr, "oh") {
				t.Errorf("standard error: %s", r)
			}
			if r := d.ctr("run", "--rm", image, "e", "/missing"); r.Code == 0 || !strings.Contains(r.Stderr, "/missing") {
				t.Errorf("a missing program: %s", r)
			}
			if r := d.ok("containers", "ls", "-q"); strings.TrimSpace(r.Stdout) != "" {
				t.Errorf("containers after --rm: %s", r)
			}
		},
	},
	{
		Name: "run/stdin", Clause: "ctr run --rm", Does: "standard input arrives, and ends with the client's", Run: func(t *t) {
			d := with(t)
			c := d.client("ctr", "run", "--rm", image, "in", h.ProbePath, "stdin")
			c.Stdin = input(t, "some text")
			said(t, t.Do(c), 0, "some text")
		},
	},
	{
		Name: "run/output", Clause: "ctr run --log-uri", Does: "20,000 lines of a program that ends then arrive in a file, each once and in order, and with a client", Run: func(t *t) {
			d := with(t)
			const n = 20000
			file := t.Path("output.log")
			d.ok("run", "--rm", "--log-uri", "file://"+file, image, "lines", h.ProbePath, "lines", strconv.Itoa(n))
			inOrder(t, "the file", t.ReadFile(file), n)
			r := d.good(d.run("client", "lines", strconv.Itoa(n)))
			text, _, _ := strings.Cut(r.Stdout, "{")
			inOrder(t, "the client", text, n)
		},
	},
	{
		Name: "run/detached", Clause: "ctr run -d; ctr tasks ls, ps, pause, resume, metrics, kill, rm",
		Does: "a container in the background is listed, paused, resumed, measured, killed and removed", Run: func(t *t) {
			d := with(t)
			d.running("web")
			if r := d.runcell("list", "--quiet"); strings.TrimSpace(r.Stdout) != "web" {
				t.Errorf("the cell: %s", r)
			}
			d.ok("tasks", "pause", "web")
			d.status("web", "PAUSED")
			d.ok("tasks", "resume", "web")
			d.status("web", "RUNNING")
			r, pid := d.ok("tasks", "ps", "web"), d.pid("web")
			if f := strings.Fields(r.Stdout); !slices.Equal(f, []string{"PID", "INFO", strconv.Itoa(pid), "-"}) {
				t.Errorf("processes: %s; want %d alone", r, pid)
			}
			if n := d.metric("web", "pids.current"); n != 1 {
				t.Errorf("%d processes; want one", n)
			}
			// The program is some MB, and what it has of them in memory is not nothing.
			if n := d.metric("web", "memory.usage"); n < 64<<10 || n > 1<<30 {
				t.Errorf("%d bytes of memory", n)
			}
			if n := d.metric("web", "cpu.usage_usec"); n == 0 {
				t.Errorf("it has started without processor time")
			}
			d.remove("web")
		},
	},
	{
		Name: "run/mounts", Clause: "ctr run --mount", Does: "a directory of the host, read-only, and a tmpfs are in the container", Run: func(t *t) {
			d := with(t)
			t.WriteFile("from outside", "host", "file")
			r := d.good(d.ctr("run", "--rm", "--mount", "type=bind,src="+t.Path("host")+",dst=/host,options=rbind:ro",
				"--mount", "type=tmpfs,src=tmpfs,dst=/scratch,options=size=64k", image, "m", h.ProbePath,
				"read", "/host/file", ";", "write", "/host/new", "x", ";", "write", "/scratch/new", "x"))
			lines := h.ParseLines(r.Stdout)
			if l, ok := lines.Find("read"); !ok || l.Text != "from outside" {
				t.Errorf("reading the host's directory: %s", r)
			}
			if !strings.Contains(r.Stdout, "EROFS") || len(lines) != 3 || !lines[2].OK {
				t.Errorf("writing: %s; want EROFS for the first, and success for the second", r)
			}
		},
	},
}

var execs = []h.Case{
	{
		Name: "exec/forms", Clause: "ctr tasks exec", Does: "a further process has its output and exit status; a missing one is named", Run: func(t *t) {
			d := with(t)
			d.running("web")
			exec := func(id string, args ...string) []string {
				return append([]string{"tasks", "exec", "--exec-id", id, "web"}, args...)
			}
			said(t, d.ctr(exec("a", h.ProbePath, "say", "inside")...), 0, "inside")
			said(t, d.ctr(exec("b", h.ProbePath, "exit", "9")...), 9, "")
			if r := d.ctr(exec("d", "/missing")...); r.Code == 0 || !strings.Contains(r.Stderr, "/missing") {
				t.Errorf("a missing program: %s", r)
			}
			p := t.Begin(d.client("ctr", exec("e", h.ProbePath, "sleep", "1000s")...))
			eventually(t, func() bool { return strings.Contains(p.Output(), "ready") }, "no exec to kill")
			d.ok("tasks", "kill", "--exec-id", "e", "-s", "SIGKILL", "web")
			if r := p.Wait(); r.Code != 137 {
				t.Errorf("an exec that is killed: %s; want status 137", r)
			}
			d.remove("web")
		},
	},
}

var execStdin = []h.Case{{
	Name: "exec/stdin", Clause: "ctr tasks exec", Does: "standard input arrives in a further process, and ends with the client's", Run: func(t *t) {
		d := with(t)
		d.running("web")
		c := d.client("ctr", "tasks", "exec", "--exec-id", "in", "web", h.ProbePath, "stdin")
		c.Stdin = input(t, "more text")
		said(t, t.Do(c), 0, "more text")
		d.remove("web")
	},
}}

var terminals = []h.Case{
	{
		Name: "terminal/run", Clause: "ctr run -t", Does: "a program has the terminal, with its size", Run: func(t *t) {
			d := with(t)
			// ctr sets the size some time after the program was started.
			look := slices.Repeat([]string{"facts", ";", "sleep", "300ms", ";"}, 10)
			out, _, p := inTerminal(t, d.client("ctr", append(append([]string{"run", "--rm", "-t", image, "t", h.ProbePath}, look...), "exit", "5")...))
			if r := p.Wait(); r.Code != 5 {
				t.Errorf("status %d; want 5; output %q", r.Code, out())
			}
			if f := out(); !strings.Contains(f, `"columns":101`) || !strings.Contains(f, `"controlling":true`) {
				t.Errorf("facts in a terminal of 101 columns: %s", f)
			}
		},
	},
	{
		Name: "terminal/exec-resize", Clause: "ctr tasks exec -t", Does: "a change of the terminal's size arrives in a further process", Run: func(t *t) {
			d := with(t)
			d.running("web")
			out, master, p := inTerminal(t, d.client("ctr", "tasks", "exec", "-t", "--exec-id", "r", "web", h.ProbePath, "signals"))
			eventually(t, func() bool { return strings.Contains(out(), "ready") }, "nothing runs in the terminal: %q", out())
			// ctr sets the size once after the start, and at a signal from then on. The
			// first size may be seen by the former, the second one can't.
			for _, columns := range []int{66, 77} {
				t.Must("resize", pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: uint16(columns)}))
				size := fmt.Sprintf(`"rows":33,"columns":%d,`, columns)
				eventually(t, func() bool {
					p.Signal(syscall.SIGWINCH) // the terminal's, if it were its session's
					return strings.Contains(out(), size)
				}, "the program does not learn of %d columns", columns)
			}
			d.ok("tasks", "kill", "--exec-id", "r", "-s", "SIGKILL", "web")
			if r := p.Wait(); r.Code != 137 {
				t.Errorf("a process in a terminal that is resized: %s, output %q", r, out())
			}
			d.remove("web")
		},
	},
}

// inTerminal runs a client in a terminal of its own, of 101 columns, and gives what
// it shows, the terminal's master, and the client.
func inTerminal(t *t, c call) (func() string, *os.File, *h.Process) {
	master, slave, err := pty.Open()
	t.Must("open terminal", err)
	t.Cleanup(func() { _ = master.Close() })
	t.Must("size terminal", pty.Setsize(master, &pty.Winsize{Rows: 42, Cols: 101}))
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
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	p := t.Begin(c)
	t.Must("close terminal", slave.Close())
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.ReplaceAll(all.String(), "\r\n", "\n")
	}, master, p
}
