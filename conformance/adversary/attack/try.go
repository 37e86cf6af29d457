package attack

// How an attempt ends.

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Result is how an attempt ended.
type Result int

// Results. A call that waits, or that ends or replaces its caller, was not
// refused.
const (
	Missing Result = iota // the kernel has no such call
	Refused
	Passed
	Waits
	Ended
)

const (
	// glance is how often a child that has not answered is looked at.
	glance = 60 * time.Millisecond
	// glances is how often it is, before it is taken for one that goes on for
	// ever.
	glances = 50
)

// try makes an attempt. A child that sleeps the same sleep at two glances
// waits, however slow the machine is.
func (a *attempt) try() (Result, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = unix.Close(fds[0]) }()
	a.report, a.errno = uintptr(fds[1]), 0
	pid, errno := a.run()
	runtime.KeepAlive(a)
	_ = unix.Close(fds[1])
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	answered := await(fds[0], pid)
	if answered {
		var code uint32
		n, err := unix.Read(fds[0], unsafe.Slice((*byte)(unsafe.Pointer(&code)), 4))
		if n == 4 && err == nil {
			finish(pid)
			return answer(syscall.Errno(code)), nil
		}
	}
	return ending(finish(pid), answered), nil
}

func answer(errno syscall.Errno) Result {
	switch {
	case errno == 0:
		return Passed
	case noCall != 0 && errno == noCall:
		return Missing
	}
	return Refused
}

// await tells whether the child said something, or closed its end.
func await(fd, pid int) bool {
	var before string
	for range glances {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(glance/time.Millisecond))
		if n > 0 {
			return true
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		state, sleeps := asleep(pid)
		if sleeps && state == before {
			return false
		}
		before = state
	}
	return false
}

// finish ends the child and reaps it.
func finish(pid int) syscall.WaitStatus {
	var ws syscall.WaitStatus
	for reaped := false; ; {
		got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil)
		switch {
		case got == pid, err != nil && !errors.Is(err, syscall.EINTR):
			return ws
		case got == 0 && !reaped:
			// Not at once: one that has answered ends by itself, with its status.
			reaped = true
			time.Sleep(time.Millisecond)
		case got == 0:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			got, err = syscall.Wait4(pid, &ws, 0, nil)
			if got == pid || err != nil && !errors.Is(err, syscall.EINTR) {
				return ws
			}
		}
	}
}

// faults are the signals that a call of nonsense earns.
var faults = []syscall.Signal{
	syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE,
}

// ending judges a child that did not say how its call ended.
func ending(ws syscall.WaitStatus, answered bool) Result {
	switch {
	case !answered:
		return Waits
	case ws.Exited() && ws.ExitStatus() == exitPassed:
		return Passed
	case ws.Exited() && ws.ExitStatus() == exitRefused:
		return Refused
	case ws.Signaled() && ws.Signal() == syscall.SIGSYS:
		return Missing
	case ws.Signaled():
		for _, s := range faults {
			if ws.Signal() == s {
				return Refused
			}
		}
	}
	return Ended
}
