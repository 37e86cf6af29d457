package attack

// How attempts end.

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
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

func (r Result) String() string {
	return [...]string{"missing", "refused", "passed", "waits", "ended"}[r]
}

const (
	// glance is how often a child that has not answered is looked at.
	glance = 60 * time.Millisecond
	// glances is how often it is, before it is taken for one that goes on for
	// ever.
	glances = 50
)

// runner starts children that make attempts.
type runner struct {
	// start gives the child's number. It reports to a descriptor.
	start func(attempts []attempt, report int) (int, error)
	// missing is the errno of a call that is not there; 0: there is none, it is
	// a signal.
	missing syscall.Errno
}

// native makes attempts in children of this program.
var native = &runner{forked, noCall}

func forked(attempts []attempt, report int) (int, error) {
	c := &child{attempts: attempts, report: uintptr(report)}
	pid, errno := c.run()
	runtime.KeepAlive(c)
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	return pid, nil
}

// try makes attempts, in as many children as it takes. It ends early where the
// kernel has no such call.
func (r *runner) try(attempts []attempt) ([]Result, error) {
	var results []Result
	for len(results) < len(attempts) {
		some, err := r.tryUntilPassed(attempts[len(results):])
		if err != nil {
			return nil, err
		}
		if results = append(results, some...); slices.Contains(some, Missing) {
			break
		}
	}
	return results, nil
}

// tryUntilPassed makes attempts in one child. It gives a result at least, and
// none after one that is not a refusal.
func (r *runner) tryUntilPassed(attempts []attempt) (results []Result, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = unix.Close(fds[0]) }()
	pid, err := r.start(attempts, fds[1])
	_ = unix.Close(fds[1])
	if err != nil {
		return nil, err
	}
	for len(results) < len(attempts) {
		if !await(fds[0], pid) {
			_ = end(pid)
			return append(results, Waits), nil
		}
		var said record
		n, err := unix.Read(fds[0], unsafe.Slice((*byte)(unsafe.Pointer(&said)), recordSize))
		if n != int(recordSize) || err != nil || int(said.index) != len(results) {
			return append(results, judge(reap(pid))), nil
		}
		results = append(results, r.answer(syscall.Errno(said.errno)))
		if results[len(results)-1] != Refused {
			break
		}
	}
	_ = end(pid)
	return results, nil
}

func (r *runner) answer(errno syscall.Errno) Result {
	switch {
	case errno == 0:
		return Passed
	case r.missing != 0 && errno == r.missing:
		return Missing
	}
	return Refused
}

// await tells whether the child said something, or closed its end. A child that
// sleeps the same sleep at two glances waits, however slow the machine is.
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

// end kills a child and reaps it.
func end(pid int) syscall.WaitStatus {
	_ = syscall.Kill(pid, syscall.SIGKILL)
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &ws, 0, nil); !errors.Is(err, syscall.EINTR) {
			return ws
		}
	}
}

// reap waits for a child that closed its end: it has ended, closed everything,
// or executed another program. The last would go on for ever.
func reap(pid int) syscall.WaitStatus {
	var ws syscall.WaitStatus
	for range glances {
		if got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil); got == pid || err != nil && !errors.Is(err, syscall.EINTR) {
			return ws
		}
		time.Sleep(10 * time.Millisecond)
	}
	return end(pid)
}

// faults are the signals that a call of nonsense earns.
var faults = []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE}

// judge is about a child that did not say how its call ended.
func judge(ws syscall.WaitStatus) Result {
	switch {
	case ws.Exited() && ws.ExitStatus() == exitPassed:
		return Passed
	case ws.Exited() && ws.ExitStatus() == exitRefused:
		return Refused
	case ws.Signaled() && ws.Signal() == syscall.SIGSYS:
		return Missing
	case ws.Signaled() && slices.Contains(faults, ws.Signal()):
		return Refused
	}
	return Ended
}
