package main

// Commands that a signal interrupts: what they did is taken back, and the exit
// status says so.

import (
	"context"
	"errors"
	"os/exec"
	goruntime "runtime"
	"syscall"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
)

// caught runs f with this process's signals caught, for a program that they go to.
func (a *app) caught(ctx context.Context, f func(context.Context, *runtime.Signals) error) error {
	return a.catching(ctx, runtime.CatchSignals, f)
}

// interruptible runs f with those caught that end a command.
func (a *app) interruptible(ctx context.Context, f func(context.Context) error) error {
	return a.catching(ctx, runtime.CatchInterrupts, func(ctx context.Context, _ *runtime.Signals) error { return f(ctx) })
}

// catching leaves the signals alone for a user who is not root: he has the command
// run again in a user namespace, and they are caught there.
func (a *app) catching(ctx context.Context, catch func(context.Context) (context.Context, *runtime.Signals), f func(context.Context, *runtime.Signals) error) error {
	if a.euid != 0 {
		return f(ctx, nil)
	}
	if a.last {
		// What such a command does is done one thing after the other, and waits for the
		// kernel: a second processor would be woken each time that a signal is caught or
		// a thread ends, look for work, and find none. Without it a run takes 5 % less of
		// the CPU's time, and a fifth of its switches of threads are gone. A command that
		// catches no signals is too short to gain what the change costs, 0.1 ms.
		goruntime.GOMAXPROCS(1)
	}
	ctx, signals := catch(ctx)
	if a.last {
		defer signals.Leave()
	} else {
		defer signals.Close()
	}
	err := f(ctx, signals)
	var why *runtime.Interrupted
	if err == nil || !errors.As(context.Cause(ctx), &why) {
		return err
	}
	var status cmdline.ExitStatus
	if errors.As(err, &status) { // of a child that was ended
		err = why
	}
	return cmdline.WithCode(err, why.ExitStatus())
}

// spawn runs a child, which the context's end ends: by SIGTERM, so that it
// takes back what it did.
func spawn(ctx context.Context, cmd *exec.Cmd) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	return cmd.Wait()
}
