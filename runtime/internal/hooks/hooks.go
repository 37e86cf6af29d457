// Package hooks runs a config's hooks (config.md, "POSIX-platform Hooks"):
// programs at points of a container's life, with its state as JSON on standard
// input. It never decides which point it is, changes no record, and hands a
// hook nothing of runcell's own descriptors.
package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/oci/strictjson"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
)

// maxOutput is how many bytes of a failed hook's stderr an error repeats.
const maxOutput = 512

// Run runs hooks in order on the host, in the calling thread's namespaces. It
// stops at the first failure, whose error names the hook's field and path.
func Run(ctx context.Context, hooks []oci.Hook, s *state.State) error {
	return each(hooks, s, func(h oci.Hook, input []byte) error { return runOnHost(ctx, h, directory(s), input) })
}

// RunPoststop runs the last hooks. Their failures are logged, as the spec wants
// them to be, and the rest run (runtime.md, "Lifecycle", step 13).
func RunPoststop(ctx context.Context, hooks []oci.Hook, s *state.State) {
	for i := range hooks {
		if err := Run(ctx, hooks[i:i+1], s); err != nil {
			log.G(ctx).WithFields(log.Fields{"id": s.ID, mustTell: hooks[i].Field}).Warnf("%v", err)
		}
	}
}

// mustTell is the field of an entry that is shown wherever there is somebody to
// see it, also where warnings are not asked for.
const mustTell = "hook"

// each calls run for one hook after the other, with the encoded state.
func each(hooks []oci.Hook, s *state.State, run func(h oci.Hook, input []byte) error) error {
	if len(hooks) == 0 {
		return nil
	}
	input, err := strictjson.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode state for hooks: %w", err)
	}
	for _, h := range hooks {
		step.Say("run %s %s, and wait for its end (timeout %v, 0s = none)", h.Field, h.Path, h.Timeout)
		if err := run(h, input); err != nil {
			return fmt.Errorf("run %s %s: %w", h.Field, h.Path, err)
		}
	}
	return nil
}

// runOnHost kills the hook's whole process group at the timeout. A hook that
// names no environment has ours, as with the peers; the spec says nothing of it.
func runOnHost(ctx context.Context, h oci.Hook, dir string, input []byte) error {
	ctx, cancel := withTimeout(ctx, h)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.CommandContext(ctx, h.Path) //nolint:gosec // an absolute path from the config
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = h.Env // none: os/exec takes ours
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stderr = w // a file, so that Wait does not wait for who else has it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	output := readOutput(r)
	err = cmd.Run()
	_ = w.Close()
	switch {
	// A hook that left a child holding its input or output has ended all the same.
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	case ctx.Err() != nil:
		return whyEnded(ctx, h)
	}
	return explained(err, r, output)
}

// explained adds to a hook's error what it has said: r is where it was read.
func explained(err error, r *os.File, output <-chan []byte) error {
	_ = r.SetReadDeadline(time.Now().Add(outputPatience))
	if out := strings.TrimSpace(string(<-output)); out != "" {
		return fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// outputPatience is how long a failed hook's output is read while somebody
// still has it open.
const outputPatience = 100 * time.Millisecond

// readOutput reads to the end and keeps the beginning.
func readOutput(r io.Reader) <-chan []byte {
	done := make(chan []byte, 1)
	go func() {
		head, _ := io.ReadAll(io.LimitReader(r, maxOutput))
		_, _ = io.Copy(io.Discard, r)
		done <- head
	}()
	return done
}

// directory is where a hook on the host runs: in the bundle, as the peers have
// it. A bundle that is gone stops no hook, least of all one that cleans up.
func directory(s *state.State) string {
	//nolint:forbidigo // the bundle is the caller's
	if fi, err := os.Stat(s.Bundle); err != nil || !fi.IsDir() {
		return "/"
	}
	return s.Bundle
}

// withTimeout ends with the hook's timeout (0 = none).
func withTimeout(ctx context.Context, h oci.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout > 0 {
		return context.WithTimeout(ctx, h.Timeout)
	}
	return context.WithCancel(ctx)
}

// whyEnded tells why a hook was killed.
func whyEnded(ctx context.Context, h oci.Hook) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && h.Timeout > 0 {
		return fmt.Errorf("timed out after %v (timeout)", h.Timeout)
	}
	return context.Cause(ctx)
}
