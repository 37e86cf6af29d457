package harness

// Running the runtime's commands. Output goes to files, not pipes: a
// container's process inherits it, and a pipe would keep the caller waiting.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Cmd is one call of the runtime, or of another program.
type Cmd struct {
	// Path is another program than the runtime: Args are its own then.
	Path string
	Args []string // the subcommand and its flags
	// Global are the flags before it; nil is --root with the case's root.
	Global []string
	Dir    string   // working directory, the case's by default
	Env    []string // nil is the harness's small environment
	Stdin  *os.File // nil is /dev/null
	// Stdout and Stderr are files of the case by default.
	Stdout, Stderr *os.File
	Extra          []*os.File // descriptors from 3 on
	Sys            *syscall.SysProcAttr
}

// CmdResult is how a call ended.
type CmdResult struct {
	Args   []string
	Code   int // exit status; 128+n when a signal killed the runtime
	Stdout string
	Stderr string
}

func (r CmdResult) String() string {
	return fmt.Sprintf("`%s` = %d, stdout %q, stderr %q", strings.Join(r.Args, " "), r.Code, short(r.Stdout), short(r.Stderr))
}

func short(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 400 {
		return s[:200] + " … " + s[len(s)-200:]
	}
	return s
}

// Process is a call under way.
type Process struct {
	t              *T
	cmd            *exec.Cmd
	stdout, stderr string // the files' paths, empty when given by the caller
	done           chan struct{}
	err            error
}

// Begin starts a call.
func (t *T) Begin(c Cmd) *Process {
	path, global := c.Path, c.Global
	if path == "" {
		path = t.Target.Path
		if global == nil {
			global = []string{"--root", t.Root}
		}
	}
	ctx := t.context()
	p := &Process{t: t, done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, path, append(append([]string{}, global...), c.Args...)...)
	p.cmd.WaitDelay = t.Limit(time.Second)
	p.cmd.Dir, p.cmd.Env = c.Dir, c.Env
	if c.Dir == "" {
		p.cmd.Dir = t.Dir
	}
	if c.Env == nil {
		p.cmd.Env = t.Env()
	}
	if c.Stdin != nil {
		p.cmd.Stdin = c.Stdin
	}
	p.cmd.ExtraFiles, p.cmd.SysProcAttr = c.Extra, c.Sys
	var closers []*os.File
	p.cmd.Stdout, p.stdout = t.output(c.Stdout, "stdout", &closers)
	p.cmd.Stderr, p.stderr = t.output(c.Stderr, "stderr", &closers)
	err := t.reaper.start(p.cmd)
	for _, f := range closers {
		_ = f.Close()
	}
	if err != nil {
		t.Fatalf("start %q: %v", p.cmd.Args, err)
	}
	t.track(p, true)
	go func() {
		p.err = t.reaper.wait(p.cmd)
		t.track(p, false)
		close(p.done)
	}()
	return p
}

// Env is the environment that the runtime runs with.
func (t *T) Env() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CONFORMANCE_CALLER=" + t.Token}
}

// output opens a file for a stream that the caller did not give.
func (t *T) output(given *os.File, name string, closers *[]*os.File) (*os.File, string) {
	if given != nil {
		return given, ""
	}
	f, err := os.CreateTemp(t.MkdirAll("output"), name+".*")
	t.Must("make output file", err)
	*closers = append(*closers, f)
	return f, f.Name()
}

// track keeps the calls under way for the report of a timeout.
func (t *T) track(p *Process, begin bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = map[string]bool{}
	}
	if key := strings.Join(p.cmd.Args[1:], " "); begin {
		t.pending[key] = true
	} else {
		delete(t.pending, key)
	}
}

// Pid is the process id of the runtime.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the runtime itself.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Done says whether the runtime has ended.
func (p *Process) Done() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Output gives what was written to stdout so far.
func (p *Process) Output() string { return readAll(p.stdout) }

func readAll(path string) string {
	if path == "" {
		return ""
	}
	b, _ := os.ReadFile(path)
	return string(b)
}

// Wait waits for the runtime to end.
func (p *Process) Wait() CmdResult {
	<-p.done
	r := CmdResult{Args: p.cmd.Args[1:], Stdout: readAll(p.stdout), Stderr: readAll(p.stderr), Code: -1}
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		r.Code = 0
	case errors.As(p.err, &exit):
		if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
			r.Code = 128 + int(ws.Signal())
		} else {
			r.Code = ws.ExitStatus()
		}
	default:
		r.Stderr += "\nharness: " + p.err.Error()
	}
	p.t.logf("%s", r)
	if errors.Is(p.t.context().Err(), context.DeadlineExceeded) {
		p.t.Errorf("timed out in %s", r)
	}
	return r
}

// WaitFor is Wait for a call that may not end: after the limit it is killed.
func (p *Process) WaitFor(limit time.Duration) (r CmdResult, ended bool) {
	select {
	case <-p.done:
		return p.Wait(), true
	case <-time.After(limit):
		_ = p.cmd.Process.Kill()
		return p.Wait(), false
	}
}

// Ends waits for the runtime's end; a failure after five seconds, more on a busy
// machine, ends the case with the message. The report has what a runtime in Go says
// of where it stands then: it is told to quit, as often as one has to insist.
func (p *Process) Ends(format string, args ...any) {
	p.ends(p.t.Limit(5*time.Second), format, args...)
}

func (p *Process) ends(limit time.Duration, format string, args ...any) {
	const insist, most = 3, 16 << 10 // bytes
	for i := range insist + 1 {
		select {
		case <-p.done:
			if i == 0 {
				return
			}
		case <-time.After(limit):
			p.Signal(syscall.SIGQUIT)
			limit = p.t.Limit(time.Second)
			continue
		}
		break
	}
	said := readAll(p.stderr)
	p.t.logf("it was told to quit: %s", said[:min(len(said), most)])
	p.t.Fatalf("in vain: "+format, args...)
}

// Do runs a call to its end.
func (t *T) Do(c Cmd) CmdResult { return t.Begin(c).Wait() }

// Try runs the runtime with these arguments to its end.
func (t *T) Try(args ...string) CmdResult { return t.Do(Cmd{Args: args}) }

// OK runs the runtime; the case ends if it fails.
func (t *T) OK(args ...string) CmdResult {
	r := t.Try(args...)
	if r.Code != 0 {
		t.Fatalf("want success: %s", r)
	}
	return r
}

// Refused runs the runtime, which must fail with a message on stderr.
func (t *T) Refused(args ...string) CmdResult {
	r := t.Try(args...)
	t.CheckRefused(r)
	return r
}

// CheckRefused checks that a call failed in an orderly way.
func (t *T) CheckRefused(r CmdResult) {
	switch {
	case r.Code == 0:
		t.Errorf("want an error: %s", r)
	case r.Code > 128 && r.Code < 160 || strings.Contains(r.Stderr, "panic:") || strings.Contains(r.Stderr, "goroutine "):
		t.Errorf("want an orderly error, not a crash: %s", r)
	case strings.TrimSpace(r.Stderr) == "":
		t.Errorf("want a message on stderr: %s", r)
	}
}

// Spawn starts a program other than the runtime, which is killed at the end.
func (t *T) Spawn(cmd *exec.Cmd) error {
	if err := t.reaper.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	done := make(chan struct{})
	go func() {
		_ = t.reaper.wait(cmd)
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return nil
}
