package runtime

// Hooks (config.md, "POSIX-platform Hooks"): programs run at points of the
// container's life, with its state as JSON on standard input.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/oci/strictjson"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"golang.org/x/sys/unix"
)

// maxHookOutput is how much of a failed hook's stderr an error repeats.
const maxHookOutput = 512

// runHooks runs a list in order and stops at the first failure. status is
// what the spec says the state is at this point.
func (c *container) runHooks(ctx context.Context, hooks []oci.Hook, status state.Status) error {
	return c.runHooksAs(ctx, hooks, status, c.Pid)
}

// runHooksAs is runHooks with the pid that the hooks are told.
func (c *container) runHooksAs(ctx context.Context, hooks []oci.Hook, status state.Status, pid int) error {
	if len(hooks) == 0 {
		return nil
	}
	state, err := c.hookState(status, pid)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if err := runHook(ctx, h, state); err != nil {
			return fmt.Errorf("run %s %s: %w", h.Field, h.Path, err)
		}
	}
	return nil
}

func (c *container) hookState(status state.Status, pid int) ([]byte, error) {
	s := &State{
		OCIVersion: c.OCIVersion, ID: c.ID, Status: status, Pid: pid, Bundle: c.Bundle,
		Rootfs: c.Rootfs, Created: c.Created, Owner: c.Owner, Annotations: c.Annotations,
	}
	if status == state.Stopped {
		s.Pid = 0
	}
	b, err := strictjson.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode state for hooks: %w", err)
	}
	return b, nil
}

// runHook runs one hook on the host, in the calling thread's namespaces. It
// gets its own environment and nothing of ours, and its whole process group
// is killed at the timeout.
func runHook(ctx context.Context, h oci.Hook, state []byte) error {
	ctx, cancel := hookContext(ctx, h)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path) //nolint:gosec // an absolute path from the config
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = append([]string{}, h.Env...)
	cmd.Stdin = bytes.NewReader(state)
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return hookTimeout(ctx, h)
	}
	// A hook that left a child holding its output has ended all the same.
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if out := strings.TrimSpace(stderr.String()); out != "" {
		return fmt.Errorf("%w: %s", err, out[:min(len(out), maxHookOutput)])
	}
	return err
}

func hookContext(ctx context.Context, h oci.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout > 0 {
		return context.WithTimeout(ctx, h.Timeout)
	}
	return context.WithCancel(ctx)
}

func hookTimeout(ctx context.Context, h oci.Hook) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && h.Timeout > 0 {
		return fmt.Errorf("timed out after %v (timeout)", h.Timeout)
	}
	return ctx.Err()
}

// runCellHooks runs startContainer hooks inside the cell, under its policy.
func (c *container) runCellHooks(ctx context.Context, hooks []oci.Hook) error {
	if len(hooks) == 0 {
		return nil
	}
	state, err := c.hookState(state.Created, process.InsidePid(c.Pid))
	if err != nil {
		return err
	}
	for _, h := range hooks {
		entry, err := c.rt.kmod.Enter(c.Cell)
		if err != nil {
			return fmt.Errorf("run %s: enter cell: %w", h.Field, err)
		}
		err = process.OnThread(func() error { return c.runCellHook(ctx, h, state, entry) })
		entry.Close()
		if err != nil {
			return fmt.Errorf("run %s %s: %w", h.Field, h.Path, err)
		}
	}
	return nil
}

// runCellHook forks from a thread that has joined the cell.
func (c *container) runCellHook(ctx context.Context, h oci.Hook, state []byte, entry kmod.Entry) error {
	root, err := process.EnterCell(entry, rootfs.CellRoot(c.Rootfs, c.Mounts))
	if err != nil {
		return err
	}
	defer root.Close()
	in, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _, _ = in.Close(), w.Close() }()
	p := &oci.Process{Args: h.Args, Env: h.Env, Cwd: "/"}
	if len(p.Args) == 0 {
		p.Args = []string{h.Path}
	}
	exe, err := stage.Exec(h.Path, p.Args, p.Env)
	if err != nil {
		return err
	}
	steps := append(process.EnterSteps(root), entry.Steps...)
	steps = append(steps, stage.Sys("own process group", unix.SYS_SETPGID, 0, 0), process.DupTo("take state as input", int(in.Fd()), 0))
	steps = append(steps, entry.Seal...)
	prog := &stage.Program{Fork: entry.Fork, Steps: append(steps, exe), ExitCode: 255}
	proc, err := process.StartProgram(prog)
	if err != nil {
		return err
	}
	_ = in.Close()
	if _, err := w.Write(state); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("write state: %w", err)
	}
	_ = w.Close()
	return waitHook(ctx, h, proc)
}

// waitHook waits for a hook in the cell and kills its group at the timeout.
func waitHook(ctx context.Context, h oci.Hook, proc *process.Child) error {
	ctx, cancel := hookContext(ctx, h)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { proc.SignalGroup(syscall.SIGKILL) })
	ws, err := proc.Wait()
	if !stop() {
		return hookTimeout(ctx, h)
	}
	if err != nil {
		return err
	}
	if status := exitStatus(ws); status != 0 {
		return fmt.Errorf("exit status %d", status)
	}
	return nil
}
