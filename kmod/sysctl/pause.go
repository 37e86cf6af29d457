package sysctl

// Pausing a cell: its members are stopped by a signal that they can't catch,
// over and over until nobody is left who could fork another one.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

// NetBSD's numbers, and where struct kinfo_proc2 has the state of a process as
// a whole: procStat is that of one of its threads.
const (
	sigStop = 17
	sigCont = 19

	procRealStat = 632

	statStopped  = 4 // SSTOP, LSSTOP
	threadAsleep = 3 // LSSLEEP
)

// sleepPatience is how long a process may take to stop that sleeps where no
// signal wakes it, as a parent does whose vfork(2) child was stopped. It can't
// run its program before it stops.
const sleepPatience = time.Second

// Pause stops every member.
func (c *client) Pause(id kmod.ID) error {
	err := c.pause(id)
	if err != nil {
		if cont := c.Kill(id, sigCont); cont != nil {
			err = fmt.Errorf("%w (and letting it go on: %w)", err, cont)
		}
		return fmt.Errorf("pause cell %d: %w", id, err)
	}
	return nil
}

// Resume lets every member go on.
func (c *client) Resume(id kmod.ID) error {
	if err := c.Kill(id, sigCont); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	return nil
}

// pause ends when the same members were found stopped twice: whoever was still
// running at the first look may have forked before the second.
func (c *client) pause(id kmod.ID) error {
	var before []int
	begin := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if err := c.Kill(id, sigStop); err != nil {
			return err
		}
		pids, err := c.Processes(id)
		if err != nil {
			return err
		}
		took := time.Since(begin)
		running, err := c.running(pids, took > sleepPatience)
		switch {
		case err != nil:
			return err
		case len(running) == 0 && before != nil && slices.Equal(pids, before):
			return nil
		case took > c.patience:
			return fmt.Errorf("process %d still runs after %v: %w", append(running, pids...)[0], c.patience, kmod.ErrBusy)
		case len(running) == 0:
			before = append([]int{}, pids...)
			continue
		}
		before = nil
		time.Sleep(pause)
	}
}

// running gives those of pids that have not stopped.
func (c *client) running(pids []int, asleepIsEnough bool) ([]int, error) {
	states, err := c.states()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(states, func(_ int, s state) bool { return s.stopped() || asleepIsEnough && s.thread == threadAsleep })
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { _, there := states[pid]; return !there }), nil
}

// state is what a process and one of its threads do.
type state struct{ process, thread byte }

func (s state) stopped() bool {
	return s.process == statStopped || s.thread == statZombie || s.thread == statDead
}

// states reads those of all processes.
func (c *client) states() (map[int]state, error) {
	for room := 64; ; room *= 2 {
		b := make([]byte, room*procSize)
		n, err := c.kernel.sysctl(procMIB(room), b, nil)
		if errors.Is(err, syscall.ENOMEM) && room < maxRoom {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		if n%procSize != 0 {
			return nil, fmt.Errorf("list processes: %d bytes are no multiple of %d", n, procSize)
		}
		states := map[int]state{}
		for b = b[:n]; len(b) > 0; b = b[procSize:] {
			pid := int(int32(binary.NativeEndian.Uint32(b[procPid:])))
			states[pid] = state{byte(binary.NativeEndian.Uint64(b[procRealStat:])), b[procStat]}
		}
		return states, nil
	}
}
