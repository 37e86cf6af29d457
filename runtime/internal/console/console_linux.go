package console

// Terminals on the emulator's host, from the devpts of the container.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// devptsMagic is the f_type of a devpts filesystem (statfs(2)).
const devptsMagic = 0x1cd1

func dupStep(name string, addr, fd uintptr) stage.Step {
	s := stage.Sys(name, unix.SYS_DUP3, addr, fd, 0)
	s.From[0] = stage.Load32
	return s
}

// Terminal is a pty of the container's own devpts.
type Terminal struct {
	Master, Slave int    // descriptors, -1 = closed
	Name          string // in the container
}

// Close lets go of both ends.
func (t *Terminal) Close() {
	sys.CloseFD(t.Master)
	sys.CloseFD(t.Slave)
}

// Open makes a pty in the container's devpts, for a user. Neither end is opened
// by a name that the container could have replaced: ptmx must lie on a
// devpts, and the slave comes from the master (CVE-2025-52565).
func Open(root *inroot.Dir, uid uint32) (*Terminal, error) {
	ptmx, err := root.OpenDevice("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w (process.terminal needs a devpts mount on /dev/pts)", err)
	}
	t := &Terminal{Master: ptmx, Slave: -1}
	if err := t.open(uid); err != nil {
		t.Close()
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	return t, nil
}

func (t *Terminal) open(uid uint32) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(t.Master, &fs); err != nil {
		return err
	}
	if fs.Type != devptsMagic {
		return errors.New("/dev/pts/ptmx is not on a devpts filesystem")
	}
	if err := unix.IoctlSetPointerInt(t.Master, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	n, err := unix.IoctlGetInt(t.Master, unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("read number: %w", err)
	}
	t.Name = fmt.Sprintf("/dev/pts/%d", n)
	if t.Slave, err = openPeer(t.Master); err != nil {
		return fmt.Errorf("open slave: %w", err)
	}
	if uid != 0 {
		if err := unix.Fchown(t.Slave, int(uid), -1); err != nil {
			return fmt.Errorf("give to the user: %w", err)
		}
	}
	return nil
}

// openPeer opens a slave of a master, whatever its name leads to.
func openPeer(master int) (slave int, err error) {
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// holdSlave opens one more slave of a master, if it can: as long as it is open,
// reads of the master do not fail because nobody else has one.
func holdSlave(master int) int {
	slave, err := openPeer(master)
	if err != nil {
		return -1
	}
	return slave
}

// Setup opens a terminal for a process that joins a running cell: before
// the fork, as the parent's thread is in the cell already.
type Setup struct{ term *Terminal }

// Prepare gives the steps by which the child takes its terminal.
func (t *Setup) Prepare(root *inroot.Dir, uid uint32) ([]stage.Step, error) {
	term, err := Open(root, uid)
	if err != nil {
		return nil, err
	}
	t.term = term
	slave := &[1]int32{int32(term.Slave)}
	return SlaveSteps(process.AddressOf(slave), slave), nil
}

// Collect gives the terminal after the fork, without our copy of the slave. It is
// the caller's from then on.
func (t *Setup) Collect() (*Terminal, error) {
	term := t.term
	t.term = nil
	sys.CloseFD(term.Slave)
	term.Slave = -1
	return term, nil
}

// Abandon lets go of what is not collected. It can be repeated, and be called
// when nothing was prepared.
func (t *Setup) Abandon() {
	if t.term != nil {
		t.term.Close()
	}
	t.term = nil
}

// SendPidfd sends a pidfd of the process to --pidfd-socket.
func SendPidfd(ctx context.Context, socket string, pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open pidfd: %w", err)
	}
	defer sys.CloseFD(pidfd)
	sock, err := Dial(ctx, "--pidfd-socket", socket)
	if err != nil {
		return err
	}
	defer sys.CloseFD(sock)
	return send(sock, pidfd, "pidfd", "pidfd to --pidfd-socket")
}
