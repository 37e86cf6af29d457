package hooks

// What a hook reads.

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// input is the state on its way to a hook's standard input. It need not be read,
// and may be more than a pipe holds. We have the reading end too until the hook
// has ended: a write that nobody can read would give us SIGPIPE, and signals that
// we get are the program's.
type input struct {
	r, w    *os.File
	written chan error
}

// newInput makes a pipe, and writes to it from now on.
func newInput(state []byte) (*input, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	i := &input{r: r, w: w, written: make(chan error, 1)}
	go func() {
		_, err := w.Write(state)
		_ = w.Close()
		i.written <- err
	}()
	return i, nil
}

// end is for a hook that has ended: what it has not read is nobody's. The error
// is one of writing, the first time.
func (i *input) end() error {
	if i.written == nil {
		return nil
	}
	_ = i.w.SetWriteDeadline(time.Now())
	err := <-i.written
	i.written = nil
	_ = i.r.Close()
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
