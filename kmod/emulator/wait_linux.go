package emulator

// Wait: the first process's exit status, for one who is not its parent.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// Wait blocks until the cell's first process has ended and gives its status
// as wait(2) does. It has to be called while the process runs, as the status
// is its parent's to collect; then it is kept until Destroy. ErrUnsupported
// when the status was collected before anyone here could see it.
func (c *Client) Wait(ctx context.Context, id kmod.ID) (uint32, error) {
	x, err := c.lookup(id)
	if err != nil {
		return 0, fmt.Errorf("wait: %w", err)
	}
	if c.decided() == Published {
		return 0, fmt.Errorf("wait for cell %d: %s: %w", id, kmod.Published().ExitStatus.Reason, kmod.ErrUnsupported)
	}
	if x.Status != nil {
		return *x.Status, nil
	}
	if x.First.Pid == 0 {
		return 0, fmt.Errorf("wait for cell %d: it has no process yet: %w", id, kmod.ErrUnsupported)
	}
	status, err := x.First.wait(ctx)
	if errors.Is(err, errGone) {
		err = fmt.Errorf("its first process has ended and its parent has the status: %w", kmod.ErrUnsupported)
	}
	if err != nil {
		return 0, fmt.Errorf("wait for cell %d: %w", id, err)
	}
	return status, c.keepStatus(id, status)
}

// keepStatus notes the status for later ones. Of a cell that was destroyed
// meanwhile nobody will ask.
func (c *Client) keepStatus(id kmod.ID, status uint32) error {
	err := c.change(id, func(x *cell) error {
		x.Status = &status
		return nil
	})
	if err != nil && !errors.Is(err, kmod.ErrNotFound) {
		return fmt.Errorf("keep status of cell %d: %w", id, err)
	}
	return nil
}

// wait blocks until p has ended, reaped or not.
func (p process) wait(ctx context.Context) (uint32, error) {
	fd, err := p.open(unix.PIDFD_NONBLOCK)
	if err != nil {
		return 0, err
	}
	// Go's poller takes the descriptor because it is non-blocking.
	f := os.NewFile(uintptr(fd), "pidfd")
	defer func() { _ = f.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var status uint32
	var inner error
	err = conn.Read(func(fd uintptr) bool {
		var ended bool
		if ended, inner = poll(int(fd), 0); ended {
			status, inner = p.status(int(fd))
		}
		return ended || inner != nil
	})
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return status, errors.Join(err, inner)
}

// status gives the status of a process that has ended: /proc knows a zombie's,
// and the descriptor that of one who was reaped while it was open (Linux 6.15).
func (p process) status(pidfd int) (uint32, error) {
	s, err := p.stat()
	if s.dead() {
		return s.exit, nil
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if ierr := unix.IoctlPidfdInfo(pidfd, &info); ierr != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, cmp.Or(err, errGone)
	}
	return uint32(info.Exit_code), nil
}

// exitInfo tells whether the kernel's pidfds keep a reaped process's status:
// asking about a running one succeeds where the request is known.
func exitInfo(pidfd int) bool {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	return unix.IoctlPidfdInfo(pidfd, &info) == nil
}
