package process

// Threads and children that are not made by os/exec.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// OnThread runs f on a thread of its own that ends with it: f changes the
// thread's namespaces and root. The main thread is not used: it ends with the
// process, and is what others see of it.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		goruntime.LockOSThread()
		if isMainThread() {
			done <- OnThread(f) // on another one, as this goroutine has the main thread
			goruntime.UnlockOSThread()
			return
		}
		if forgetSlack != nil {
			forgetSlack()
		}
		done <- f() // and never unlocked
	}()
	return <-done
}

// Do forks a program that runs no other, and waits for its end. It is for what
// a process can't do without changing itself.
func Do(prog *stage.Program) error {
	r, err := newReport()
	if err != nil {
		return err
	}
	defer r.close()
	pid, err := r.fork(prog)
	if err != nil {
		return err
	}
	_ = r.w.Close()
	b, err := io.ReadAll(r.r)
	_, werr := (&Child{Pid: pid}).Wait()
	if err = errors.Join(err, werr); err != nil {
		return err
	}
	if len(b) == 0 {
		return stage.ErrKilled
	}
	rec, err := stage.ParseRecord(b)
	if err != nil {
		return err
	}
	return rec.Err(r.names)
}

// StartMember forks the program that build makes from the root of a running
// cell, and waits until it has exec'ed or failed, or the context ends. build runs on a thread that has
// joined the cell and ends with the fork; root is where such a thread finds the
// cell's root.
func StartMember(ctx context.Context, entry kmod.Entry, root string, build func(*inroot.Dir) (*stage.Program, error)) (*Child, error) {
	r, err := newReport()
	if err != nil {
		return nil, err
	}
	defer r.close()
	GroupsSettable() // looks at /proc, which the cell may not have
	var dir *inroot.Dir
	defer func() {
		if dir != nil {
			dir.Close()
		}
	}()
	pid := 0
	err = OnThread(func() (err error) {
		if err := entry.Thread(); err != nil {
			return fmt.Errorf("take a thread to the cell: %w", err)
		}
		if dir, err = inroot.Open(root); err != nil {
			return err
		}
		prog, err := build(dir)
		if err != nil {
			return err
		}
		pid, err = r.fork(prog)
		return err
	})
	return r.await(ctx, pid, err)
}

// StartProgram forks prog and waits until it has exec'ed or failed, or the
// context ends.
func StartProgram(ctx context.Context, prog *stage.Program) (*Child, error) {
	r, err := newReport()
	if err != nil {
		return nil, err
	}
	defer r.close()
	pid, err := r.fork(prog)
	return r.await(ctx, pid, err)
}

// report is the pipe through which a child says what failed, or that its exec
// comes next. The exec closes it.
type report struct {
	r, w  *os.File
	prog  *stage.Program
	names []string
}

func newReport() (*report, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &report{r: r, w: w}, nil
}

func (r *report) close() { _, _ = r.r.Close(), r.w.Close() }

func (r *report) fork(prog *stage.Program) (pid int, err error) {
	prog.Arrange()
	prog.Report[0], prog.Tell = int(r.w.Fd()), true
	r.prog, r.names = prog, prog.Names()
	step.Program(r.names)
	if forgetSlack != nil {
		goruntime.LockOSThread()
		defer goruntime.UnlockOSThread()
		forgetSlack()
	}
	return prog.Start()
}

// await takes what fork gave. A child that there is after an error, or at the
// end of the context, is ended.
func (r *report) await(ctx context.Context, pid int, err error) (*Child, error) {
	_ = r.w.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.r.SetReadDeadline(time.Now()) })
	defer stop()
	if err == nil {
		var b []byte
		if b, err = io.ReadAll(r.r); err == nil {
			err = stage.Outcome(b, r.names)
		}
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if pid == 0 {
		return nil, err
	}
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL) // not reaped yet
	}
	pid, settled := r.prog.Settle(pid)
	proc := &Child{Pid: pid}
	if err = errors.Join(err, settled); err != nil {
		return nil, errors.Join(err, proc.End())
	}
	step.Say("process %d has executed its program", pid)
	return proc, nil
}

// AddressOf is where a heap object lies, for a step that loads from it; the
// step's Keep must hold the object.
func AddressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
