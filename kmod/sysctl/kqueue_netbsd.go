package sysctl

// Waiting for the end of a process that is not a child, by kqueue(2).

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// kqueue waits for a process's end, or for a byte in its pipe: a blocked
// kevent(2) is not woken by anything else.
type kqueue struct {
	kq   int
	pipe [2]int
}

func (netbsd) watch(pid int) (watch, error) {
	q := &kqueue{kq: -1, pipe: [2]int{-1, -1}}
	if err := q.open(pid); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *kqueue) open(pid int) (err error) {
	if q.kq, err = unix.Kqueue(); err != nil {
		return fmt.Errorf("make a kqueue: %w", err)
	}
	unix.CloseOnExec(q.kq)
	if err := unix.Pipe2(q.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	var changes [2]unix.Kevent_t
	unix.SetKevent(&changes[0], q.pipe[0], unix.EVFILT_READ, unix.EV_ADD)
	unix.SetKevent(&changes[1], pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	changes[1].Fflags = unix.NOTE_EXIT
	_, err = q.kevent(changes[:], nil)
	return err
}

func (q *kqueue) kevent(changes, events []unix.Kevent_t) (int, error) {
	for {
		n, err := unix.Kevent(q.kq, changes, events, nil)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

func (q *kqueue) wait(ctx context.Context) (uint32, error) {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(q.pipe[1], []byte{0})
	})
	defer func() {
		if !stop() {
			<-woken // the pipe must not be closed before
		}
	}()
	var event [1]unix.Kevent_t
	if _, err := q.kevent(nil, event[:]); err != nil {
		return 0, fmt.Errorf("wait for the process's end: %w", err)
	}
	if event[0].Filter == unix.EVFILT_PROC {
		return uint32(event[0].Data), nil
	}
	return 0, ctx.Err()
}

func (q *kqueue) close() {
	for _, fd := range [...]int{q.kq, q.pipe[0], q.pipe[1]} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
