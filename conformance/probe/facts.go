package main

// What the probe says about its own process on every system.

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openDescriptors lists the open descriptors below 256.
func openDescriptors() []fact.FD {
	var fds []fact.FD
	for n := range 256 {
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil {
			fds = append(fds, fact.FD{Number: n, Target: descriptorTarget(n)})
		}
	}
	return fds
}

func (p *probe) facts() *fact.Facts {
	f := &fact.Facts{
		Args: os.Args, Env: os.Environ(),
		UID: os.Getuid(), GID: os.Getgid(), EUID: os.Geteuid(), EGID: os.Getegid(),
		Pid: os.Getpid(), Ppid: os.Getppid(), FDs: p.fds, Terminal: terminal(), Rlimits: map[string]fact.Rlimit{},
	}
	f.Cwd, _ = unix.Getwd()
	f.Groups, _ = unix.Getgroups()
	f.Umask = unix.Umask(0)
	unix.Umask(f.Umask)
	f.Sid, _ = unix.Getsid(0)
	f.Hostname, _ = os.Hostname()
	for name, number := range rlimits {
		var r unix.Rlimit
		if unix.Getrlimit(number, &r) == nil {
			f.Rlimits[name] = fact.Rlimit{Soft: unlimited(r.Cur), Hard: unlimited(r.Max)}
		}
	}
	for name, s := range map[string]os.Signal{"SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT} {
		if signal.Ignored(s) {
			f.Ignored = append(f.Ignored, name)
		}
	}
	systemFacts(f)
	return f
}

func terminal() fact.Terminal {
	t := fact.Terminal{Stdin: term.IsTerminal(0), Stdout: term.IsTerminal(1), Stderr: term.IsTerminal(2)}
	if t.Stdin {
		t.Columns, t.Rows, _ = term.GetSize(0)
	}
	if fd, err := unix.Open("/dev/tty", unix.O_RDWR, 0); err == nil {
		t.Controlling = true
		_ = unix.Close(fd)
	}
	return t
}
