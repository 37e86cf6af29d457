package hooks

// A hook's process, wherever it runs: its input, its output and its end.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
)

const (
	// maxOutput is how many bytes of a failed hook's stderr an error repeats.
	maxOutput = 512
	// outputPatience is how long a failed hook's output is read while somebody
	// still has it open.
	outputPatience = 100 * time.Millisecond
)

// run runs a hook that start starts, which gets the state by in and whose standard
// error goes to said.
func run(ctx context.Context, h oci.Hook, state []byte, start func(in *os.File, said *output) (*process.Child, error)) error {
	in, err := newInput(state)
	if err != nil {
		return err
	}
	defer func() { _ = in.end() }()
	said, err := newOutput()
	if err != nil {
		return err
	}
	defer said.close()
	proc, err := start(in.r, said)
	if err != nil {
		return err
	}
	said.started()
	err = attend(ctx, h, proc, in)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return said.explain(err)
}

// attend waits for a hook, and kills its group at the timeout.
func attend(ctx context.Context, h oci.Hook, proc *process.Child, in *input) error {
	ctx, cancel := withTimeout(ctx, h)
	defer cancel()
	stop := context.AfterFunc(ctx, proc.KillGroup)
	status, err := proc.ExitStatus()
	werr := in.end()
	switch {
	case !stop():
		return whyEnded(ctx, h)
	case err != nil:
		return err
	case status != 0:
		return fmt.Errorf("exit status %d", status)
	case werr != nil:
		return fmt.Errorf("write state: %w", werr)
	}
	return nil
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

// output is a pipe for what a hook prints: not the container's streams, which
// belong to its program alone.
type output struct {
	r, w *os.File
	head <-chan []byte // the beginning
}

func newOutput() (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &output{r: r, w: w}, nil
}

// step makes the pipe a descriptor of the hook's.
func (o *output) step(fd int) stage.Step {
	return process.DupTo(fmt.Sprintf("let descriptor %d be read", fd), int(o.w.Fd()), fd)
}

// started reads to the end and keeps the beginning, once the hook runs.
func (o *output) started() {
	_ = o.w.Close()
	done := make(chan []byte, 1)
	go func() {
		head, _ := io.ReadAll(io.LimitReader(o.r, maxOutput))
		_, _ = io.Copy(io.Discard, o.r)
		done <- head
	}()
	o.head = done
}

// explain adds to a hook's error what it has said.
func (o *output) explain(err error) error {
	_ = o.r.SetReadDeadline(time.Now().Add(outputPatience))
	if out := strings.TrimSpace(string(<-o.head)); out != "" {
		return fmt.Errorf("%w: %s", err, out)
	}
	return err
}

func (o *output) close() { _, _ = o.r.Close(), o.w.Close() }
