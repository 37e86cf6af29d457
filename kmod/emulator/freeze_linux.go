package emulator

// Pausing a cell: its cgroup's freezer, which the members don't notice, or
// SIGSTOP where the cell has no cgroup.

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// pausePatience is how long the members may take to stop: one that sleeps
// where nothing wakes it stops later.
const pausePatience = 10 * time.Second

// Pause stops every member.
func (c *Client) Pause(id kmod.ID) error {
	err := c.freeze(id, true)
	if err != nil {
		if thaw := c.freeze(id, false); thaw != nil {
			err = fmt.Errorf("%w (and letting it go on: %w)", err, thaw)
		}
		return fmt.Errorf("pause cell %d: %w", id, err)
	}
	return nil
}

// Resume lets every member go on.
func (c *Client) Resume(id kmod.ID) error {
	if err := c.freeze(id, false); err != nil {
		return fmt.Errorf("resume cell %d: %w", id, err)
	}
	return nil
}

func (c *Client) freeze(id kmod.ID, on bool) error {
	x, err := c.lookup(id)
	if err != nil {
		return err
	}
	switch {
	case x.Cgroup != "":
		return freezeCgroup(x.Cgroup, on)
	case on:
		return x.stop()
	}
	return x.signal(unix.SIGCONT)
}

// freezeCgroup uses the freezer of cgroup v2 (cgroup-v2.rst, cgroup.freeze).
func freezeCgroup(dir string, on bool) error {
	value, done := "0", "frozen 0"
	if on {
		value, done = "1", "frozen 1"
	}
	if err := writeFile(filepath.Join(dir, "cgroup.freeze"), 0, []byte(value)); err != nil {
		return fmt.Errorf("write cgroup.freeze: %w", err)
	}
	return eventually(func() (bool, error) {
		b, err := readFile(filepath.Join(dir, "cgroup.events"))
		return slices.Contains(strings.Split(string(b), "\n"), done), err
	})
}

// stop sends SIGSTOP until two looks find the same members, all stopped: one
// that ran at the first may have forked before the second.
func (x *cell) stop() error {
	return eventually(twice(func() ([]int, bool, error) {
		if err := x.signal(unix.SIGSTOP); err != nil {
			return nil, false, err
		}
		pids, err := x.processes()
		return pids, stopped(pids), err
	}))
}

// twice is done when two looks, one after the other, find the same processes,
// all at rest.
func twice(look func() (pids []int, rest bool, err error)) func() (bool, error) {
	var before []int
	return func() (bool, error) {
		pids, rest, err := look()
		if !rest {
			before = nil
			return false, err
		}
		same := slices.Equal(pids, before)
		before = pids
		return same, err
	}
}

// stopped tells whether none of the processes runs: those that end never will.
func stopped(pids []int) bool {
	for _, pid := range pids {
		if s, err := readStat(pid); err == nil && s.state != 'T' && !s.dying() {
			return false
		}
	}
	return true
}

func eventually(done func() (bool, error)) error { return within(pausePatience, done) }

// within asks until it is done, with pauses that grow; ErrBusy when that takes
// longer than patience.
func within(patience time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not done after %v: %w", patience, kmod.ErrBusy)
		}
		time.Sleep(pause)
	}
}
