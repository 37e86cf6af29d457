package sysctl

// Members of a cell, on a module that can't list or signal them. A forked
// helper chroots to the cell's root and enters it: from then on the kernel
// shows it the members only (kern.proc2), and kill(-1) hits them only.
//
// While it is a member, root in the cell can see, stop and trace it. So it
// closes every descriptor but its two pipes before it enters, it does nothing
// but the few calls below, and it gets a deadline. What it reports is only as
// trustworthy as the cell's root: a caller that must be sure that a cell is
// empty asks Destroy.

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// struct kinfo_proc2 as asked for: its first 680 bytes.
const (
	procSize = 680
	procPid  = 116
	procStat = 360
	// p_stat of a process that only waits to be reaped.
	statZombie = 5
	statDead   = 6
)

const (
	helperPatience = 5 * time.Second
	patience       = 10 * time.Second // with members that are to end, or to stop
	// killBurst signals in one go leave a fork bomb little time between them.
	killBurst = 64
	// maxRoom is how long a list may become before it is not believed.
	maxRoom = 1 << 17
)

// errHelperDied: the helper ended without a word. Root in the cell, or another
// runcell that kills the cell, has killed it.
var errHelperDied = errors.New("the helper in the cell was killed")

// member is a process of a cell.
type member struct {
	pid  int
	dead bool // ended, not yet reaped
}

// visitList lists the members that have not ended.
func (c *client) visitList(id kmod.ID) ([]int, error) {
	members, err := c.members(id)
	return living(members), err
}

func (c *client) members(id kmod.ID) ([]member, error) {
	cell, err := c.lookup(id)
	if err != nil {
		return nil, err
	}
	var members []member
	for range 3 { // another runcell may be killing the cell, and the helper with it
		members, err = c.visit(&cell, 0, 0)
		if !errors.Is(err, errHelperDied) {
			break
		}
	}
	return members, err
}

// visitKill signals the members; with SIGKILL, which does not keep them from
// forking, until none is left running.
func (c *client) visitKill(id kmod.ID, sig int) error {
	cell, err := c.lookup(id)
	if err != nil {
		return err
	}
	if sig != sigKill {
		_, err := c.visit(&cell, sig, 1)
		return err
	}
	deadline := time.Now().Add(c.patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		members, err := c.visit(&cell, sig, killBurst)
		late := time.Now().After(deadline)
		if err != nil && (late || !errors.Is(err, errHelperDied)) {
			return err
		}
		pids := living(members)
		if err == nil && len(pids) == 0 {
			return nil
		}
		if late {
			return fmt.Errorf("%d processes still run after %s (first: %d): %w", len(pids), c.patience, pids[0], kmod.ErrBusy)
		}
		time.Sleep(pause)
	}
}

func living(members []member) []int {
	pids := make([]int, 0, len(members))
	for _, m := range members {
		if !m.dead {
			pids = append(pids, m.pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// visit sends a helper into a cell that signals its members times times and
// reports who they are then, itself left out.
func (c *client) visit(cell *kmod.Info, sig, times int) ([]member, error) {
	n, err := c.find()
	if err != nil {
		return nil, err
	}
	// The helper sees some of the host's processes; it can't see more.
	total, err := c.kernel.sysctl(procMIB(0), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("count processes: %w", err)
	}
	for room := total/procSize + 32; ; room *= 2 {
		members, err := c.visitOnce(n, cell, sig, times, room)
		var failed *stage.Error
		if !errors.As(err, &failed) || failed.Errno != syscall.ENOMEM || room > maxRoom {
			return members, err
		}
		times = 0 // they have been signalled; only the list was too long
	}
}

func (c *client) visitOnce(n *nodes, cell *kmod.Info, sig, times, room int) ([]member, error) {
	data, err := newPipe()
	if err != nil {
		return nil, err
	}
	defer data.close()
	report, err := newPipe()
	if err != nil {
		return nil, err
	}
	defer report.close()
	prog, err := helperProgram(n, cell, sig, times, room, data.w, report.w)
	if err != nil {
		return nil, err
	}
	kid, err := c.kernel.fork(prog)
	if err != nil {
		return nil, err
	}
	data.closeWriter()
	report.closeWriter()
	got, err := readMembers(data)
	failed := readFailure(report, prog.Names())
	if endErr := kid.end(); err == nil {
		err = endErr
	}
	switch {
	case failed != nil:
		return nil, failed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errHelperDied
	case err != nil:
		return nil, err
	}
	return slices.DeleteFunc(got, func(m member) bool { return m.pid == kid.pid() }), nil
}
