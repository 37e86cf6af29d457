package runtime

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// devptsMagic is the f_type of a devpts filesystem (statfs(2)).
const devptsMagic = 0x1cd1

func dupStep(name string, addr, fd uintptr) stage.Step {
	s := stage.Sys(name, unix.SYS_DUP3, addr, fd, 0)
	s.From[0] = stage.Load32
	return s
}

// terminal is a pty of the container's own devpts.
type terminal struct {
	master, slave int
	name          string
}

func (t *terminal) close() {
	closeFD(t.master)
	closeFD(t.slave)
}

// openTerminal makes a pty in the container's devpts. Neither end is opened
// by a name that the container could have replaced: ptmx must lie on a
// devpts, and the slave comes from the master (CVE-2025-52565).
func openTerminal(root rootDir, uid uint32) (*terminal, error) {
	ptmx, err := root.openAt("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w (process.terminal needs a devpts mount on /dev/pts)", err)
	}
	t := &terminal{master: ptmx, slave: -1}
	if err := t.open(uid); err != nil {
		t.close()
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	return t, nil
}

func (t *terminal) open(uid uint32) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(t.master, &fs); err != nil {
		return err
	}
	if fs.Type != devptsMagic {
		return errors.New("/dev/pts/ptmx is not on a devpts filesystem")
	}
	if err := unix.IoctlSetPointerInt(t.master, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	n, err := unix.IoctlGetInt(t.master, unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("read number: %w", err)
	}
	t.name = fmt.Sprintf("/dev/pts/%d", n)
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return fmt.Errorf("open slave: %w", errno)
	}
	t.slave = int(slave)
	if uid != 0 {
		if err := unix.Fchown(t.slave, int(uid), -1); err != nil {
			return fmt.Errorf("give to the user: %w", err)
		}
	}
	return nil
}

// ttySetup opens a terminal for a process that joins a running cell: before
// the fork, as the parent's thread is in the cell already.
type ttySetup struct{ term *terminal }

func (t *ttySetup) prepare(root rootDir, uid uint32) ([]stage.Step, error) {
	term, err := openTerminal(root, uid)
	if err != nil {
		return nil, err
	}
	t.term = term
	slave := &[1]int32{int32(term.slave)}
	return slaveSteps(addressOf(slave), slave), nil
}

// collect gives the terminal after the fork, without our copy of the slave.
func (t *ttySetup) collect() (*terminal, error) {
	closeFD(t.term.slave)
	t.term.slave = -1
	return t.term, nil
}

func (t *ttySetup) abandon() { t.term.close() }

// sendPidfd sends a pidfd of the process to --pidfd-socket.
func sendPidfd(socket string, pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open pidfd: %w", err)
	}
	defer closeFD(pidfd)
	sock, err := dialConsole(socket)
	if err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	defer closeFD(sock)
	return sendConsole(sock, pidfd, "pidfd")
}
