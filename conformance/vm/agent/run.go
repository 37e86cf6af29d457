package main

// Carrying out a plan, a step at a time.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// operations are what a step needs from the system it runs on.
type operations struct {
	machine func() (protocol.Machine, error)
	load    func(path string) error
	unload  func(name string) error
	count   func() (protocol.Counters, error)
	sysctl  func(name string) (string, error)
}

// environment is what programs get besides the step's own.
var environment = []string{
	"PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/root", "TMPDIR=/tmp", "TERM=dumb",
}

const (
	// afterQuit is the time that a program has to say what it was doing.
	afterQuit = 3 * time.Second
	// afterExit is how long a program's leftovers can keep its output open.
	afterExit = 5 * time.Second
)

// runPlan carries out the steps from number first on; a step that fails is no
// error of the plan.
func runPlan(r *reporter, plan *protocol.Plan, first int, sys operations) error {
	machine, err := sys.machine()
	if err != nil {
		return err
	}
	r.send(protocol.Hello, protocol.Encode(machine))
	for _, step := range plan.Steps[first:] {
		r.send(protocol.Begin, step.Name)
		start := time.Now()
		err := runStep(r, &step, sys)
		outcome := protocol.Outcome{Step: step.Name, OK: err == nil, Seconds: time.Since(start).Seconds()}
		if err != nil {
			outcome.Detail = err.Error()
		}
		r.send(protocol.Result, protocol.Encode(outcome))
		if err != nil && step.Must {
			return fmt.Errorf("step %q failed, and the rest needs it", step.Name)
		}
	}
	return nil
}

func runStep(r *reporter, step *protocol.Step, sys operations) error {
	switch step.Do {
	case protocol.Exec:
		return runProgram(r, step)
	case protocol.ModLoad:
		return sys.load(step.Args[0])
	case protocol.ModUnload:
		return sys.unload(step.Args[0])
	case protocol.Count:
		counters, err := sys.count()
		if err == nil {
			r.send(protocol.Counts, protocol.Encode(counters))
		}
		return err
	case protocol.PowerCut:
		select {} // the host has read that the step begins
	}
	return fmt.Errorf("do %q: not known", step.Do)
}

// runProgram runs a program to its end, in a process group of its own.
func runProgram(r *reporter, step *protocol.Step) error {
	ctx, cancel := context.WithTimeout(context.Background(), step.Limit())
	defer cancel()
	cmd := exec.CommandContext(ctx, step.Args[0], step.Args[1:]...)
	cmd.Env = append(append([]string{}, environment...), step.Env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return stop(cmd.Process) }
	out, err := newStream(&lines{r: r, kind: protocol.Out})
	if err != nil {
		return err
	}
	errs, err := newStream(&lines{r: r, kind: protocol.Err})
	if err != nil {
		return errors.Join(err, out.w.Close())
	}
	cmd.Stdout, cmd.Stderr = out.w, errs.w
	err = cmd.Start()
	closed := errors.Join(out.w.Close(), errs.w.Close())
	if err == nil {
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	}
	deadline := time.After(afterExit)
	held := out.wait(deadline) || errs.wait(deadline)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not finished after %s", step.Limit())
	case err != nil:
		return fmt.Errorf("run %s: %w", step.Args[0], err)
	case held:
		return fmt.Errorf("a process that %s left behind holds its output open", step.Args[0])
	}
	return closed
}

// stream is a program's output. Its pipe is read by blocking: some NetBSD
// kernels with several CPUs crash when a pipe that kqueue watches is closed.
type stream struct {
	w    *os.File
	done chan struct{} // closed at the end of the output
}

func newStream(to *lines) (*stream, error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	err := syscall.Pipe(fds[:])
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	r := os.NewFile(uintptr(fds[0]), "output")
	s := &stream{w: os.NewFile(uintptr(fds[1]), "output"), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_, _ = io.Copy(to, r)
		to.flush()
		_ = r.Close()
	}()
	return s, nil
}

// wait waits for the end of the output, and says if it is held open.
func (s *stream) wait(deadline <-chan time.Time) (held bool) {
	select {
	case <-s.done:
		return false
	case <-deadline:
		return true
	}
}

// stop ends a process group whose time is over. A Go program answers SIGQUIT
// with what each of its goroutines is waiting for.
func stop(p *os.Process) error {
	_ = p.Signal(syscall.SIGQUIT)
	time.AfterFunc(afterQuit, func() { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) })
	return nil
}
