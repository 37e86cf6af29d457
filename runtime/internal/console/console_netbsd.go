package console

// Terminals on NetBSD. A pty is made by the process that is to have it, from
// inside the container's root: the kernel then takes the container's own
// ptyfs, and names that mean something there. The device that is asked for
// one, /dev/ptm, is the host's, opened before the root is entered.

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

// tiocptmget is TIOCPTMGET of sys/ttycom.h: _IOR('t', 70, struct ptmget),
// with 2056 bytes. On most ports the one in x/sys is an older call's.
const tiocptmget = 0x48087446

// Terminal is a pty of the container's own ptyfs.
type Terminal struct {
	Master, Slave int    // descriptors; Slave is -1, the child alone has it
	Name          string // in the container
}

// OpenPtm opens the host's device for new ptys.
func OpenPtm() (int, error) {
	fd, err := unix.Open("/dev/ptm", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open the host's /dev/ptm for process.terminal: %w", err)
	}
	return fd, nil
}

// dupStep duplicates the descriptor stored at addr.
func dupStep(name string, addr, fd uintptr) stage.Step {
	s := stage.Sys(name, unix.SYS_DUP2, addr, fd)
	s.From[0] = stage.Load32
	return s
}

// PtySteps make a pty, take its slave as controlling terminal and standard
// descriptors, and put the master's number into msg, to be sent away. The
// master is close-on-exec; the slave's extra descriptor is closed.
func PtySteps(ptm int, uid uint32, msg *process.Message) []stage.Step {
	pty := new(unix.Ptmget)
	cfd, sfd := process.AddressOf(&pty.Cfd), process.AddressOf(&pty.Sfd)
	onto := func(name string, nr, fd uintptr, rest ...uintptr) stage.Step {
		s := stage.Sys(name, nr, append([]uintptr{fd}, rest...)...)
		s.From[0], s.Keep = stage.Load32, []any{pty}
		return s
	}
	get := stage.OnFD("open terminal (process.terminal needs a devpts mount on /dev/pts)",
		unix.SYS_IOCTL, ptm, tiocptmget, process.AddressOf(pty))
	get.Keep = []any{pty}
	steps := append([]stage.Step{get, stage.OnFD("close the host's /dev/ptm", unix.SYS_CLOSE, ptm)}, SlaveSteps(sfd, pty)...)
	if uid != 0 {
		steps = append(steps, onto(fmt.Sprintf("give the terminal to user %d", uid), unix.SYS_FCHOWN, sfd, uintptr(uid), ^uintptr(0)))
	}
	keep := onto("keep the terminal's master", unix.SYS_FCNTL, cfd, unix.F_DUPFD_CLOEXEC, 3)
	keep.Store = msg.FdAddr()
	keep.Keep = append(keep.Keep, msg)
	return append(steps, keep,
		onto("close the terminal's slave", unix.SYS_CLOSE, sfd),
		onto("close the terminal's master", unix.SYS_CLOSE, cfd))
}

// Setup gives a terminal to a process that joins a running cell.
type Setup struct {
	ptm  int
	link *process.Link
}

// Prepare gives the steps by which the child makes and sends its terminal.
func (t *Setup) Prepare(_ *inroot.Dir, uid uint32) (steps []stage.Step, err error) {
	if t.ptm, err = OpenPtm(); err != nil {
		return nil, err
	}
	if t.link, err = process.NewLink(); err != nil {
		sys.CloseFD(t.ptm)
		t.link = nil
		return nil, err
	}
	msg := process.NewMessage(true)
	return append(PtySteps(t.ptm, uid, msg), t.link.SendStep("send terminal", 0, msg)), nil
}

// Collect takes the master, which was sent before the exec. It is the caller's
// from then on.
func (t *Setup) Collect() (*Terminal, error) {
	defer t.Abandon()
	t.link.CloseChild()
	master, err := t.link.Receive(nil)
	if err != nil {
		return nil, err
	}
	if master < 0 {
		return nil, errors.New("receive terminal: no descriptor came")
	}
	return &Terminal{Master: master, Slave: -1, Name: SlaveName(master)}, nil
}

// holdSlave holds none: a slave's name means something in the container only.
// The relay looks again at a master that nobody has a slave of.
func holdSlave(int) int { return -1 }

// slaveDir is where the container has its ptyfs.
const slaveDir = "/dev/pts"

// SlaveName is a terminal's name in the container, whose ptyfs numbers master
// and slave alike.
func SlaveName(master int) string {
	var st unix.Stat_t
	if unix.Fstat(master, &st) != nil {
		return slaveDir
	}
	return fmt.Sprintf("%s/%d", slaveDir, unix.Minor(st.Rdev))
}

// Abandon lets go of what is not collected. It can be repeated, and be called
// when nothing was prepared.
func (t *Setup) Abandon() {
	if t.link == nil {
		return
	}
	sys.CloseFD(t.ptm)
	t.link.Close()
	t.link = nil
}

// SendPidfd is for callers that know what a pidfd is.
func SendPidfd(context.Context, string, int) error {
	return errors.New("--pidfd-socket: NetBSD has no pidfds: use --pid-file")
}
