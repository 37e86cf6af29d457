package sysctl

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

// A cell that forks while it is being stopped is stopped all the same, by both
// kinds of module, and nobody else is.
func TestPause(t *testing.T) {
	for name, k := range map[string]*fakeKernel{"own": newOwnFake(), "published": newFake()} {
		t.Run(name, func(t *testing.T) {
			c := newClient(k)
			id, err := c.Create(spec("a", "/cells/a"))
			if err != nil {
				t.Fatal(err)
			}
			member, other := k.spawn(uint32(id)), k.spawn(0)
			forks := 3
			k.onStop = func() {
				if forks--; forks >= 0 {
					k.spawn(uint32(id))
				}
			}
			if err := c.Pause(id); err != nil {
				t.Fatalf("Pause = %v", err)
			}
			for _, p := range k.procs {
				if got, want := p.stat == statStopped, p.cell == uint32(id); got != want {
					t.Errorf("process %d of cell %d: stopped is %v", p.pid, p.cell, got)
				}
			}
			if err := c.Resume(id); err != nil || member.stat == statStopped {
				t.Errorf("Resume = %v, state %d", err, member.stat)
			}
			if other.stat == statStopped {
				t.Error("a process of the host was stopped")
			}
			if err := c.Pause(99); !errors.Is(err, kmod.ErrNotFound) || !strings.Contains(err.Error(), "and letting it go on: signal cell 99") {
				t.Errorf("Pause of no cell = %v; want ErrNotFound, twice", err)
			}
		})
	}
}

// A cell is paused when the same members were found stopped twice.
func TestPauseLooksTwice(t *testing.T) {
	for what, c := range map[string]struct {
		members int
		// onStop is called after each signal, with its number.
		onStop func(k *fakeKernel, id uint32, member *fakeProc, n int)
		want   int
	}{
		"nobody": {0, nil, 2},
		"one":    {1, nil, 2},
		"one that is joined by another, which has stopped": {1, func(k *fakeKernel, id uint32, _ *fakeProc, n int) {
			if n == 2 {
				k.spawn(id).stat = statStopped
			}
		}, 3},
		"one that goes on": {1, func(_ *fakeKernel, _ uint32, member *fakeProc, n int) {
			if n == 2 {
				member.stat = 2
			}
		}, 4},
		"one among more than fit into the first list": {1, func(k *fakeKernel, _ uint32, _ *fakeProc, n int) {
			for range 70 {
				k.spawn(0)
			}
		}, 2},
	} {
		k, client := own()
		id := mustCreate32(t, client)
		var member *fakeProc
		for range c.members {
			member = k.spawn(id)
		}
		stops := 0
		k.onStop = func() {
			if stops++; c.onStop != nil {
				c.onStop(k, id, member, stops)
			}
		}
		if err := client.Pause(kmod.ID(id)); err != nil || stops != c.want {
			t.Errorf("%s: Pause = %v after %d signals; want %d", what, err, stops, c.want)
		}
	}
}

// Who does not stop is told of, and goes on.
func TestPauseOfWhoDoesNotStop(t *testing.T) {
	k, c := own()
	id := mustCreate32(t, c)
	c.patience = 5 * time.Millisecond
	stubborn, other := k.spawn(id), k.spawn(id)
	k.onStop = func() { stubborn.stat = 2 }
	err := c.Pause(kmod.ID(id))
	if !errors.Is(err, kmod.ErrBusy) || !strings.Contains(err.Error(), "process 201 still runs") || strings.Contains(err.Error(), "letting it go on") {
		t.Errorf("Pause = %v; want ErrBusy of process 201", err)
	}
	if other.stat != 2 {
		t.Errorf("the other process has the state %d; want it to go on", other.stat)
	}
}

// A process has stopped, or is about to end, or, once it was waited for long
// enough, sleeps where no signal wakes it. Who has gone does not run either.
func TestRunning(t *testing.T) {
	for what, c := range map[string]struct {
		process, thread byte
		runs, asleep    bool // asleep: even when sleeping is enough
	}{
		"runs":                 {2, 7, true, true},
		"sleeps":               {2, threadAsleep, true, false},
		"has stopped":          {statStopped, statStopped, false, false},
		"has a stopped thread": {2, statStopped, true, true},
		"is a zombie":          {2, statZombie, false, false},
		"is dead":              {2, statDead, false, false},
	} {
		k, client := own()
		p := k.spawn(0)
		p.stat, p.thread = c.process, c.thread
		for enough, want := range map[bool]bool{false: c.runs, true: c.asleep} {
			if got, err := client.running([]int{p.pid, 999}, enough); err != nil || slices.Contains(got, p.pid) != want || slices.Contains(got, 999) {
				t.Errorf("who %s runs: %v, %v; want %v where sleeping is enough: %v", what, got, err, want, enough)
			}
		}
	}
}

// The states of all processes are read with more room until they fit, but not for
// ever, and what is no list of them is none.
func TestStates(t *testing.T) {
	full := reply{0, syscall.ENOMEM}
	for what, c := range map[string]struct {
		says []reply
		want string
	}{
		"as many as fit":   {[]reply{{64 * procSize, nil}}, ""},
		"more than that":   {[]reply{full, full, {procSize, nil}}, ""},
		"too many":         {slices.Repeat([]reply{full}, 12), "cannot allocate memory"},
		"none of its own":  {[]reply{{0, syscall.EPERM}}, "list processes: operation not permitted"},
		"half a structure": {[]reply{{procSize / 2, nil}}, "no multiple of"},
	} {
		k := &replies{c.says}
		_, err := newClient(k).states()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || len(k.list) != 0 {
			t.Errorf("%s: %v, with %d replies left; want %q", what, err, len(k.list), c.want)
		}
	}
}
