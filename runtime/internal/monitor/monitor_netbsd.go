package monitor

// NetBSD has no subreaper, so once `create` has ended nobody can wait(2) for
// the container's process. But kqueue(2) tells anybody how a process ended.

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	sysKevent = 435 // __kevent50
	fCloseM   = 10  // F_CLOSEM of fcntl(2)
)

// Start is the one of NetBSD.
var Start Starter = start

func start(pid int, path string) (*process.Child, error) {
	file, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start monitor: make %s: %w", path, err)
	}
	defer sys.CloseFD(file)
	monitor, err := watch(pid, file)
	if err != nil {
		return nil, fmt.Errorf("start monitor: %w", err)
	}
	return monitor, nil
}

// watch returns when the monitor watches.
func watch(pid, file int) (*process.Child, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	defer sys.CloseFD(pipe[0])
	prog := program(pid, file, pipe[1])
	p, err := prog.Start()
	sys.CloseFD(pipe[1])
	if err != nil {
		return nil, err
	}
	monitor := &process.Child{Pid: p}
	var b [stage.RecordSize]byte
	n, err := readAgain(pipe[0], b[:])
	if err == nil {
		var rec stage.Record
		if rec, err = stage.ParseRecord(b[:n]); err == nil {
			err = rec.Err(prog.Names())
		}
	}
	if err != nil {
		return nil, errors.Join(err, monitor.End())
	}
	return monitor, nil
}

func readAgain(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// program is the monitor. It holds nothing but the file, a kqueue and, at first, report.
func program(pid, file, report int) *stage.Program {
	const queue = 1 // the register that keeps the kqueue
	change, event := new(unix.Kevent_t), new(unix.Kevent_t)
	unix.SetKevent(change, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	change.Fflags = unix.NOTE_EXIT
	kqueue := stage.Sys("make a kqueue", unix.SYS_KQUEUE)
	kqueue.Save = queue
	kevent := func(name string, args ...uintptr) stage.Step {
		s := stage.Sys(name, sysKevent, append([]uintptr{queue}, args...)...)
		s.From[0], s.Keep = stage.Reg, []any{change, event}
		return s
	}
	slash := &[...]byte{'/', 0}
	chdir := stage.Sys("leave the working directory", unix.SYS_CHDIR, process.AddressOf(slash))
	chdir.Keep = []any{slash}
	steps := []stage.Step{
		stage.Sys("become session leader", unix.SYS_SETSID),
		process.DupTo("take the file", file, 0),
		process.DupTo("take the report", report, 1),
		stage.Sys("close all other descriptors", unix.SYS_FCNTL, 2, fCloseM, 0),
		chdir, kqueue,
		kevent(fmt.Sprintf("watch process %d", pid), process.AddressOf(change), 1, 0, 0, 0),
	}
	steps = append(steps,
		stage.Mark("say so", len(steps), 1),
		stage.Sys("let go of the report", unix.SYS_CLOSE, 1),
		kevent("wait for its end", 0, 0, process.AddressOf(event), 1, 0))
	write := stage.Sys("write its status", unix.SYS_WRITE, 0, uintptr(unsafe.Pointer(&event.Data)), exitSize)
	write.Keep, write.Exact, write.Want = []any{event}, true, exitSize
	return &stage.Program{Steps: append(steps, write), Report: [2]int{1}}
}
