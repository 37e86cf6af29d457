package agent

// Pipes that block. Go's poller would watch them with kqueue(2), and a NetBSD
// kernel of 2016 crashes when one processor closes a pipe while another one
// looks at it.

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe that programs do not inherit.
func Pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// Within gives what read gives, unless that takes too long: then read goes on
// until whoever has the pipe's other end is gone.
func Within[V any](limit time.Duration, read func() (V, error)) (V, error) {
	type result struct {
		v   V
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-time.After(limit):
		var none V
		return none, fmt.Errorf("nothing was said for %s", limit)
	}
}
