package emulator

// Cells without root: the command runs again in a user namespace where the
// caller's own uid and gid are root's.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// UserNamespace runs this program again with the same arguments in a user
// namespace, unless the caller is root: in a new one if pid is 0, otherwise
// in that of the process pid. It forwards signals and, when done is true,
// gives the exit status that the caller has to end with.
//
// The namespace has one uid and one gid, so files of other owners cannot be
// made in it (user_namespaces(7)).
func UserNamespace(pid int) (status int, done bool, err error) {
	if os.Geteuid() == 0 {
		return 0, false, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, false, fmt.Errorf("find own program: %w", err)
	}
	signals := make(chan os.Signal, 64)
	for s := syscall.Signal(1); s <= lastSignal; s++ {
		if !signal.Ignored(s) { // or the other process would not ignore it, either
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	start := startInNew
	if pid != 0 {
		start = func(exe string) (int, error) { return startInside(exe, pid) }
	}
	child, err := start(exe)
	if err != nil {
		return 0, false, explainUserNS(err, userNSLimits)
	}
	p, err := os.FindProcess(child)
	if err != nil {
		return 0, false, fmt.Errorf("watch process %d: %w", child, err)
	}
	go forward(signals, p)
	s, err := p.Wait()
	if err != nil {
		return 0, false, fmt.Errorf("wait for process %d: %w", child, err)
	}
	ws := s.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), true, nil
	}
	return ws.ExitStatus(), true, nil
}

// lastSignal is the highest real-time signal.
const lastSignal = 64

func startInNew(exe string) (int, error) {
	id := func(n int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: n, Size: 1}} }
	pid, _, err := syscall.StartProcess(exe, os.Args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2}, // higher ones that the caller gave us are inherited anyway
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: id(os.Geteuid()),
			GidMappings: id(os.Getegid()),
		},
	})
	return pid, err
}

// startInside joins a namespace. Only a process with one thread may, which a
// Go program never is but its forked child.
func startInside(exe string, pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	exec, err := stage.Exec(exe, os.Args, os.Environ())
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = r.Close() }()
	p := &stage.Program{
		Steps: []stage.Step{
			stage.Sys("join user namespace", unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWUSER),
			// Its root may not touch the host's mounts, not even to copy one.
			stage.Sys("unshare mounts", unix.SYS_UNSHARE, unix.CLONE_NEWNS),
			exec,
		},
		Report: [2]int{int(w.Fd())}, ExitCode: 1,
	}
	child, err := p.Start()
	_ = w.Close()
	if err != nil {
		return 0, err
	}
	// End of file: exec has closed the pipe. Anything else is a failed step.
	b := make([]byte, stage.RecordSize)
	if n, _ := r.Read(b); n > 0 {
		_, _ = syscall.Wait4(child, nil, 0, nil)
		rec, err := stage.ParseRecord(b[:n])
		if err != nil {
			return 0, err
		}
		return 0, rec.Err(p.Names())
	}
	return child, nil
}

// forward passes signals on until the channel is closed or the process ends.
// What a terminal sends goes to its whole foreground group anyway.
func forward(signals <-chan os.Signal, p *os.Process) {
	for s := range signals {
		switch s {
		case unix.SIGCHLD, unix.SIGURG:
			continue
		case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH:
			if inForeground() {
				continue
			}
		}
		_ = p.Signal(s)
	}
}

func inForeground() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	group, _ := unix.IoctlGetInt(fd, unix.TIOCGPGRP) // 0 with an error
	return group == unix.Getpgrp()
}

// userNSLimit is a setting that forbids user namespaces to ordinary users.
type userNSLimit struct{ file, closed, way string }

var userNSLimits = []userNSLimit{
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
}

// explainUserNS says which setting forbids the namespace, and the way out.
func explainUserNS(err error, limits []userNSLimit) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("start in a user namespace: %w", err)
	}
	for _, l := range limits {
		if b, _ := os.ReadFile(l.file); strings.TrimSpace(string(b)) == l.closed { // not there: nothing forbids it
			return fmt.Errorf("start in a user namespace: this host forbids it to users who are not root (run as root, or: %s): %w", l.way, err)
		}
	}
	return fmt.Errorf("start in a user namespace: this host forbids it to users who are not root (run as root): %w", err)
}
