package launch

// What the caller of a command wants with a process besides its program: which
// descriptors it keeps, and who is told of it.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
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
	return checkStdio()
}

// checkStdio refuses a directory as one of the container's first three
// descriptors: it would lead out of the root (openat(2)).
func checkStdio() error {
	for fd := range 3 {
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

// passDescriptors lets the caller's extra descriptors through to the process,
// and no others.
func (c Caller) passDescriptors() error {
	if err := process.SealDescriptors(3 + c.PreserveFDs); err != nil {
		return err
	}
	for fd := 3; fd < 3+c.PreserveFDs; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("--preserve-fds %d: descriptor %d: %w", c.PreserveFDs, fd, err)
		}
	}
	return nil
}

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
