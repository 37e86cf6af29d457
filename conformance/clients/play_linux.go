package clients

// Playing a session: each command is typed into a shell on the case's machine.

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/conformance/console"
	"github.com/netbsd-cells/runcell/conformance/harness"
)

// Where the sessions say that runcell is. The runtime under test is put there.
const (
	installed     = "/usr/local/sbin/runcell"
	installedShim = "/usr/local/sbin/containerd-shim-runcell-v1"
)

// program is how ctr names a program to containerd's own shim. A shim under
// test is named instead.
const program = "--runc-binary " + installed

// named is how a shim's runtime is named where no path will do: containerd looks
// for the program in its PATH.
const named = "io.containerd.runcell.v1"

// play runs the steps one after the other; the first that prints something
// else than it must ends the case.
func (m *machine) play(steps []console.Step) {
	for _, s := range steps {
		got, code := m.run(s)
		m.t.Show(console.Prompt + s.Command)
		for _, line := range got {
			m.t.Show(console.Steady(line))
		}
		m.t.Show(fmt.Sprintf("[exit %d]", code))
		if code != s.Exit || !console.Matches(s.Want, got) {
			m.t.Fatalf("line %d: # %s\nprinted:\n%s\n[exit %d]\nwant:\n%s\n[exit %d]", s.Line, s.Command,
				strings.Join(got, "\n"), code, strings.Join(s.Want, "\n"), s.Exit)
		}
	}
}

// run runs a step and gives what it printed, and its exit status.
func (m *machine) run(s console.Step) ([]string, int) {
	command := s.Command
	if m.shim {
		command = strings.ReplaceAll(command, installedShim, m.t.Target.Path)
		command = strings.ReplaceAll(command, program, "--runtime "+m.t.Target.Path)
		command = strings.ReplaceAll(command, installed, named)
	}
	command = strings.ReplaceAll(command, installed, m.t.Target.Path)
	c := harness.Cmd{Path: "/bin/sh", Args: []string{"-c", command}, Env: m.env}
	var output string
	var code int
	if s.Terminal() {
		output, code = m.inTerminal(c, s)
	} else {
		r := m.t.Do(c)
		output, code = r.Stdout, r.Code
	}
	return console.Screen(strings.ReplaceAll(output, m.t.Target.Path, installed)), code
}

// inTerminal runs a command in a terminal of its own, and types the lines that
// follow a prompt of the container's shell.
func (m *machine) inTerminal(c harness.Cmd, s console.Step) (string, int) {
	master, slave, err := pty.Open()
	m.t.Must("open terminal", err)
	defer master.Close()
	m.t.Must("set size of terminal", pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 100}))
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.Sys = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := m.t.Begin(c)
	_ = slave.Close()
	show, seen := watch(master), 0
	for _, line := range s.Want {
		typed, ok := strings.CutPrefix(line, console.InnerPrompt)
		if !ok {
			continue
		}
		m.t.Eventually(func() bool { // the prompt before is no longer the end
			text := show.text()
			return p.Done() || len(text) > seen && strings.HasSuffix(text, console.InnerPrompt)
		}, "no prompt in %q", show)
		seen = len(show.text())
		_, err := master.WriteString(typed + "\r")
		m.t.Must("type into terminal", err)
	}
	r := p.Wait()
	show.end(m.t.Limit(time.Second))
	return show.text(), r.Code
}

// display collects what a terminal shows.
type display struct {
	mu   sync.Mutex
	all  strings.Builder
	done chan struct{}
}

func watch(master *os.File) *display {
	d := &display{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			d.mu.Lock()
			d.all.Write(b[:n])
			d.mu.Unlock()
			if err != nil {
				return // EIO: nobody has the terminal open any more
			}
		}
	}()
	return d
}

// text is what was shown, without the characters that move the cursor.
func (d *display) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return console.WithoutEscapes(d.all.String())
}

func (d *display) String() string { return d.text() }

// end waits until everything is read.
func (d *display) end(limit time.Duration) {
	select {
	case <-d.done:
	case <-time.After(limit): // a process left behind has it open
	}
}
