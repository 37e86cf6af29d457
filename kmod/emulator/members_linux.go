package emulator

// A cell's members: listing, counting and signalling them.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// busy tells whether the cell has a member. Its first process is the init of
// its pid namespace: when that one ends, the kernel ends and reaps all others
// first. Before it is recorded only the cgroup knows.
func (x *cell) busy() (bool, error) {
	if x.First.Pid != 0 {
		return x.First.alive()
	}
	pids, err := x.processes()
	return len(pids) > 0, err
}

// processes lists the members, ascending. A cgroup's list has none that has ended
// in it, so nothing else is looked at.
func (x *cell) processes() ([]int, error) {
	if x.Cgroup != "" {
		pids, err := cgroupProcesses(x.Cgroup)
		if err == nil {
			slices.Sort(pids)
			return slices.Compact(pids), nil
		}
		if !noCgroup(err) {
			return nil, err
		}
	}
	if alive, err := x.First.alive(); !alive {
		return nil, err
	}
	return x.scan()
}

// scan finds the members by their pid namespace.
func (x *cell) scan() ([]int, error) {
	ns := pidNamespace(x.First.Pid)
	if ns == 0 {
		return nil, nil
	}
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pidNamespace(pid) == ns {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// Processes lists the members' pids, ascending.
func (c *Client) Processes(id kmod.ID) ([]int, error) {
	x, err := c.lookup(id)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids, err := x.processes()
	if err != nil {
		return nil, fmt.Errorf("list processes of cell %d: %w", id, err)
	}
	return pids, nil
}

// Kill signals every member. SIGKILL ends the pid namespace's init, which
// stops forks and takes all members with it.
func (c *Client) Kill(id kmod.ID, sig int) error {
	x, err := c.lookup(id)
	if err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	if sig == int(unix.SIGKILL) {
		err = x.killAll()
	} else {
		err = x.signal(unix.Signal(sig))
	}
	if err != nil {
		return fmt.Errorf("kill cell %d: %w", id, err)
	}
	return nil
}

// killAll kills the init, and returns when it is dying and with it the rest.
func (x *cell) killAll() error {
	if x.Cgroup != "" {
		// Linux 5.14. It also reaches a process born before Entered.
		_ = writeFile(filepath.Join(x.Cgroup, "cgroup.kill"), 0, []byte("1"))
	}
	fd, err := x.First.open(0)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := send(fd, unix.SIGKILL); err != nil {
		return err
	}
	// The init ends when all others are reaped; one whose parent is outside
	// the cell waits for that parent, so the end is not waited for, and what
	// remains has a bound: a process in an uninterruptible sleep.
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		_, _ = poll(fd, time.Millisecond) // a pause, or until the init has ended
		dying, err := x.dying()
		if err != nil {
			return err
		}
		if dying {
			return nil
		}
	}
	return nil
}

// dying tells whether all members are.
func (x *cell) dying() (bool, error) {
	pids, err := x.processes()
	for _, pid := range pids {
		if s, err := readStat(pid); err == nil && !s.dying() {
			return false, nil
		}
	}
	return true, err
}

// poll waits until a process has ended.
func poll(pidfd int, d time.Duration) (ended bool, err error) {
	end := time.Now().Add(d)
	for {
		left := max(time.Until(end), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}

// signal reaches members until a pass finds no new one: they may fork while
// they are being signalled.
func (x *cell) signal(sig unix.Signal) error {
	done := map[process]bool{}
	for range 100 {
		pids, err := x.processes()
		if err != nil {
			return err
		}
		fresh := false
		for _, pid := range pids {
			p, err := identify(pid)
			if err != nil || done[p] {
				continue // ended meanwhile, or signalled
			}
			done[p], fresh = true, true
			if err := x.signalMember(p, sig); err != nil {
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
	return fmt.Errorf("members fork faster than they are signalled, use SIGKILL: %w", unix.EAGAIN)
}

// signalMember makes sure that the descriptor is a member's: a pid from a
// list may be another process's by now.
func (x *cell) signalMember(p process, sig unix.Signal) error {
	fd, err := p.open(0)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if x.First.Pid != 0 && pidNamespace(p.Pid) != pidNamespace(x.First.Pid) {
		return nil
	}
	if err := send(fd, sig); err != nil {
		return fmt.Errorf("signal process %d: %w", p.Pid, err)
	}
	return nil
}
