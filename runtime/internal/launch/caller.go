package launch

// What the caller of a command wants with a process besides its program: which
// descriptors it keeps, and who is told of it.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"golang.org/x/sys/unix"
)

// Caller is the part of create's, run's and exec's arguments that is the same.
type Caller struct {
	PidFile       string // absolute; empty = none
	ConsoleSocket string // gets the terminal's master; empty = none
	PidfdSocket   string // gets a pidfd; empty = none; Linux only
	PreserveFDs   int    // descriptors from 3 on that the process keeps
	Detach        bool   // the command ends before the process does
}

// Check refuses, before anything is made, what can't be had with this process.
func (c Caller) Check(p *oci.Process) error {
	if err := console.Check(p.Terminal, c.Detach, c.ConsoleSocket); err != nil {
		return err
	}
	return errors.Join(checkStdio(), c.checkPreserved())
}

// checkStdio refuses a directory as one of the container's first three
// descriptors: it would lead out of the root (openat(2)).
func checkStdio() error {
	for fd := range stdio {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("descriptor %d is a directory: a container must not inherit one", fd)
		}
	}
	return nil
}

// dial connects to the console socket, if there is one (-1 = none).
func (c Caller) dial() (sock int, err error) {
	if c.ConsoleSocket == "" {
		return -1, nil
	}
	return console.Dial(c.ConsoleSocket)
}

// checkPreserved refuses a number of descriptors that the caller did not leave
// open: the rest would be our own, which lead to the host. All of ours close
// with an exec, and none that does came through our own exec from the caller.
func (c Caller) checkPreserved() error {
	for fd := stdio; fd < c.inherited(); fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC != 0 {
			err = unix.EBADF
		}
		if err != nil {
			return fmt.Errorf("--preserve-fds %d: descriptor %d: %w: the caller has to leave %d to %d open",
				c.PreserveFDs, fd, err, stdio, c.inherited()-1)
		}
	}
	return nil
}

// stdio is how many standard descriptors there are.
const stdio = 3

// inherited is how many of the caller's descriptors a process gets, from 0 on.
func (c Caller) inherited() int { return stdio + c.PreserveFDs }

// tell tells who wants to know of the running process.
func (c Caller) tell(pid int) error {
	if c.PidfdSocket != "" {
		if err := console.SendPidfd(c.PidfdSocket, pid); err != nil {
			return err
		}
	}
	if c.PidFile == "" {
		return nil
	}
	return writePidFile(c.PidFile, pid)
}
