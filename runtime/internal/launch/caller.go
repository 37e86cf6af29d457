package launch

// What the caller of a command wants with a process besides its program: which
// descriptors it keeps, and who is told of it.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Caller is the part of create's, run's and exec's arguments that is the same.
type Caller struct {
	PidFile       string                      // absolute; empty = none
	ConsoleSocket string                      // gets the terminal's master; empty = none
	Terminal      func(master *os.File) error // gets it instead; nil = nobody does
	Streams       *[3]*os.File                // become 0, 1, 2; nil = ours, and in it the null device
	Nofile        *oci.Rlimit                 // where the configuration has none; nil = our caller's
	PidfdSocket   string                      // gets a pidfd; empty = none; Linux only
	PreserveFDs   int                         // descriptors from 3 on that the process keeps
	Sockets       Sockets
	Detach        bool // the command ends before the process does
}

// Sockets are descriptors that a service manager has opened for the program
// (sd_listen_fds(3)): from 3 on, and those of PreserveFDs follow.
type Sockets struct {
	N     int
	Names string // LISTEN_FDNAMES, or empty
}

// env tells the program of the sockets. It has to name its own pid, which is
// known beforehand where a container numbers its processes from 1 on.
func (s Sockets) env() []string {
	if s.N == 0 {
		return nil
	}
	env := []string{fmt.Sprintf("LISTEN_FDS=%d", s.N), fmt.Sprintf("LISTEN_PID=%d", process.FirstPid)}
	if s.Names != "" {
		env = append(env, "LISTEN_FDNAMES="+s.Names)
	}
	return env
}

// check refuses what can't be passed on.
func (s Sockets) check(firstPid int) error {
	if s.N > 0 && firstPid == 0 {
		return errors.New("LISTEN_FDS: the program's pid, for LISTEN_PID, is not known before it runs: unset it, and use --preserve-fds")
	}
	return nil
}

// Check refuses, before anything is made, what can't be had with this process.
func (c Caller) Check(p *oci.Process) error {
	if err := console.Check(p.Terminal, c.Detach, c.ConsoleSocket, c.Terminal != nil); err != nil {
		return err
	}
	return errors.Join(c.checkStreams(), c.Sockets.check(process.FirstPid), c.checkPreserved())
}

// dial connects to the console socket, if there is one (-1 = none).
func (c Caller) dial(ctx context.Context) (sock int, err error) {
	if c.ConsoleSocket == "" {
		return -1, nil
	}
	return console.Dial(ctx, "--console-socket", c.ConsoleSocket)
}

// handTerminal hands a terminal's master over, by the socket if there is one or
// to who has asked for it, and tells whether it is not ours any more.
func (c Caller) handTerminal(sock, master int, name string) (gone bool, err error) {
	if sock >= 0 {
		defer sys.CloseFD(master)
		return true, console.Send(sock, master, name)
	}
	if c.Terminal == nil {
		return false, nil
	}
	if err := unix.SetNonblock(master, true); err != nil { // or reads could not be cut off
		return false, fmt.Errorf("prepare terminal: %w", err)
	}
	return true, c.Terminal(os.NewFile(uintptr(master), name))
}

// checkPreserved refuses a number of descriptors that the caller did not leave
// open: the rest would be our own, which lead to the host. All of ours close
// with an exec, and none that does came through our own exec from the caller.
func (c Caller) checkPreserved() error {
	if c.PreserveFDs < 0 || c.PreserveFDs > mostFDs {
		return fmt.Errorf("--preserve-fds %d: give a number from 0 to %d", c.PreserveFDs, mostFDs)
	}
	for fd := stdio; fd < c.inherited(); fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC != 0 {
			err = unix.EBADF
		}
		if err != nil {
			return fmt.Errorf("%s: descriptor %d: %w: the caller has to leave %d to %d open", c.keeps(), fd, err, stdio, c.inherited()-1)
		}
	}
	return nil
}

// keeps names what the caller has asked for.
func (c Caller) keeps() string {
	var list []string
	if c.Sockets.N > 0 {
		list = append(list, fmt.Sprintf("LISTEN_FDS=%d", c.Sockets.N))
	}
	if c.PreserveFDs > 0 {
		list = append(list, fmt.Sprintf("--preserve-fds %d", c.PreserveFDs))
	}
	return strings.Join(list, " and ")
}

// stdio is how many standard descriptors there are.
const stdio = 3

// mostFDs is more than a process can have open by default (proc(5), nr_open): a
// larger number is a mistake, and its sum with others might be none.
const mostFDs = 1 << 20

// inherited is how many of the caller's descriptors a process gets, from 0 on.
func (c Caller) inherited() int { return stdio + c.Sockets.N + c.PreserveFDs }

// tell tells who wants to know of the running process.
func (c Caller) tell(ctx context.Context, pid int) error {
	if c.PidfdSocket != "" {
		if err := console.SendPidfd(ctx, c.PidfdSocket, pid); err != nil {
			return err
		}
	}
	if c.PidFile == "" {
		return nil
	}
	return writePidFile(c.PidFile, pid)
}
