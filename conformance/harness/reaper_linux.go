package harness

// The worker is a child subreaper, as containerd's shim and conmon are: the
// processes of detached containers become its children. The reaper collects
// their statuses and leaves those of its own commands to os/exec.

import (
	"fmt"
	"os/exec"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

type reaper struct {
	mu     sync.Mutex
	own    map[int]bool
	status map[int]unix.WaitStatus
	stop   chan struct{}
	ended  chan struct{}
}

// newReaper makes this process a subreaper; idle, its children are left to
// those who wait for them.
func newReaper(idle bool) (*reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	r := &reaper{own: map[int]bool{}, status: map[int]unix.WaitStatus{}, stop: make(chan struct{}), ended: make(chan struct{})}
	if idle {
		close(r.ended)
	} else {
		go r.loop()
	}
	return r, nil
}

// loop polls: a handler for SIGCHLD would need the same lock and can miss.
func (r *reaper) loop() {
	defer close(r.ended)
	for {
		r.collect()
		select {
		case <-r.stop:
			return
		case <-time.After(4 * time.Millisecond):
		}
	}
}

// collect reaps every ended child up to the first that os/exec will reap.
func (r *reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		pid := siginfoPid(&info)
		if err != nil || pid == 0 || r.own[pid] {
			return
		}
		var ws unix.WaitStatus
		if got, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil); err == nil && got == pid {
			r.status[pid] = ws
		}
	}
}

func (r *reaper) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.own[cmd.Process.Pid] = true
	return nil
}

func (r *reaper) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.own, cmd.Process.Pid)
	return err
}

func (r *reaper) close() {
	close(r.stop)
	<-r.ended
}

// exited gives the status of an adopted process that has ended: 128+n for a
// signal.
func (r *reaper) exited(pid int) (code int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ws, ok := r.status[pid]
	if ws.Signaled() {
		return 128 + int(ws.Signal()), ok
	}
	return ws.ExitStatus(), ok
}

// ExitStatus waits for a container's process as its adoptive parent.
func (t *T) ExitStatus(pid int) int {
	code, ok := 0, false
	t.Eventually(func() bool {
		code, ok = t.reaper.exited(pid)
		return ok
	}, "process %d did not end as a child of the caller, its subreaper", pid)
	return code
}

// siginfoPid reads si_pid, which x/sys hides: it follows three ints, aligned
// as the union that holds pointers (siginfo_t in <asm-generic/siginfo.h>).
func siginfoPid(info *unix.Siginfo) int {
	const align = unsafe.Sizeof(uintptr(0))
	offset := (3*unsafe.Sizeof(int32(0)) + align - 1) / align * align
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}
