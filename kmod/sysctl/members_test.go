package sysctl

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// two gives a kernel with two cells and their members: 1 has 201 and 202 and
// the zombie 203, 2 has 204.
func two(t *testing.T) (*fakeKernel, *client) {
	k := newFake()
	c := newClient(k)
	mustCreate(t, c, spec("a", "/cells/a"))
	mustCreate(t, c, spec("b", "/cells/b"))
	k.spawn(1)
	k.spawn(1)
	k.spawn(1).stat = statZombie
	k.spawn(2)
	return k, c
}

func TestProcesses(t *testing.T) {
	k, c := two(t)
	for id, want := range map[kmod.ID][]int{1: {201, 202}, 2: {204}} {
		if got, err := c.Processes(id); err != nil || !slices.Equal(got, want) {
			t.Errorf("Processes(%d) = %v, %v; want %v", id, got, err, want)
		}
	}
	if s, err := c.Stats(1); err != nil || s.Processes != 2 {
		t.Errorf("Stats = %+v, %v; want 2 processes", s, err)
	}
	for _, id := range []kmod.ID{0, 3} {
		if _, err := c.Processes(id); !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("Processes(%d) = %v; want ErrNotFound", id, err)
		}
	}
	if len(k.procs) != 5 || k.reaped != 3 {
		t.Errorf("%d processes, %d helpers reaped: a helper is left", len(k.procs), k.reaped)
	}
}

// The helper has to be harmless before it is a member.
func TestHelperProgram(t *testing.T) {
	k, c := two(t)
	if err := c.Kill(1, 15); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"move the report pipe", "move the data pipe", "close all other descriptors", "chroot /cells/a", "chdir /",
		"enter cell 1 (as host root, at the root it was created with)", "signal 15 to all members",
		"list the members", "report the list's length", "report the list",
	}
	if !slices.Equal(k.log, want) {
		t.Errorf("the helper did\n%s\nwant\n%s", strings.Join(k.log, "\n"), strings.Join(want, "\n"))
	}
}

func TestHelperFailures(t *testing.T) {
	k, c := two(t)
	k.dirs = []string{"/", "/cells/b"} // somebody has unmounted a's root
	if _, err := c.Processes(1); !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "chroot /cells/a") {
		t.Errorf("Processes without the root = %v; want chroot /cells/a: ENOENT", err)
	}
	k.self.uid = 0
	k.onEnter = func(helper *fakeProc) { helper.stat = statZombie }
	if _, err := c.Processes(2); !errors.Is(err, errHelperDied) {
		t.Errorf("Processes with a killed helper = %v; want %v", err, errHelperDied)
	}
	deaths := 2
	k.onEnter = func(helper *fakeProc) {
		if deaths--; deaths >= 0 {
			helper.stat = statZombie
		}
	}
	if got, err := c.Processes(2); err != nil || !slices.Equal(got, []int{204}) {
		t.Errorf("Processes after two killed helpers = %v, %v; want [204]", got, err)
	}
}

// A cell that grows between the count and the list.
func TestProcessesOfAGrowingCell(t *testing.T) {
	k, c := two(t)
	grown := false
	k.onEnter = func(*fakeProc) {
		for !grown && len(k.procs) < 500 {
			k.spawn(2)
		}
		grown = true
	}
	got, err := c.Processes(2)
	if err != nil || len(got) < 490 || !slices.IsSorted(got) {
		t.Errorf("Processes = %d pids, %v; want about 495, ascending", len(got), err)
	}
	// The signal is not sent again for the sake of the list.
	grown = false
	k.procs = k.procs[:5]
	k.log = nil
	if err := c.Kill(2, 15); err != nil || k.called("signal 15") != 1 {
		t.Errorf("Kill = %v, %d signals; want 1", err, k.called("signal 15"))
	}
}

func TestKill(t *testing.T) {
	k, c := two(t)
	deaths := 1
	k.onEnter = func(helper *fakeProc) {
		if deaths--; deaths >= 0 {
			helper.stat = statZombie // another runcell kills the same cell
		}
	}
	k.onKilled = bomb(k, 200)
	if err := c.Kill(1, sigKill); err != nil {
		t.Fatal(err)
	}
	for _, p := range k.procs {
		if p.cell == 1 && p.stat != statZombie {
			t.Errorf("process %d of the cell still runs", p.pid)
		}
		if p.cell != 1 && p.stat == statZombie {
			t.Errorf("process %d of cell %d was killed too", p.pid, p.cell)
		}
	}
	if err := c.Kill(1, sigKill); err != nil {
		t.Errorf("Kill without members = %v; want no error", err)
	}
	if err := c.Kill(1, 15); err != nil {
		t.Errorf("Kill 15 without members = %v; want no error", err)
	}
	if err := c.Kill(7, sigKill); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Kill of no cell = %v; want ErrNotFound", err)
	}
}

// bomb forks after each of the first n signals.
func bomb(k *fakeKernel, n int) func() {
	return func() {
		if n--; n >= 0 {
			k.spawn(1)
		}
	}
}

func TestEnter(t *testing.T) {
	k, c := two(t)
	for _, id := range []kmod.ID{0, 9} {
		if _, err := c.Enter(id); !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("Enter(%d) = %v; want ErrNotFound", id, err)
		}
	}
	e, err := c.Enter(2)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Thread(); err != nil || len(e.Steps) != 1 || len(e.Seal) != 0 {
		t.Errorf("Enter(2) = %d steps, %d seals, Thread %v; want one step", len(e.Steps), len(e.Seal), err)
	}
	for _, tt := range []struct {
		proc fakeProc
		want syscall.Errno
		cell uint32
	}{
		{fakeProc{root: "/cells/b"}, 0, 2},
		{fakeProc{root: "/cells/a"}, syscall.EPERM, 0},
		{fakeProc{root: "/cells/b", uid: 1000}, syscall.EPERM, 0},
		{fakeProc{root: "/cells/b", cell: 1}, syscall.EPERM, 1},
	} {
		p := tt.proc
		m := &fakeMachine{k: k, p: &p}
		if errno := m.step(&e.Steps[0]); errno != tt.want || p.cell != tt.cell {
			t.Errorf("%+v enters: %v, cell %d; want %v, cell %d", tt.proc, errno, p.cell, tt.want, tt.cell)
		}
	}
	if err := c.Entered(2, 204); err != nil {
		t.Errorf("Entered = %v", err)
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	k, c := two(t)
	count := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	for range 10 {
		if _, err := c.Processes(1); err != nil {
			t.Fatal(err)
		}
	}
	k.onEnter = func(helper *fakeProc) { helper.stat = statZombie }
	_, _ = c.Processes(1)
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A list that the helper did not finish is none, and who could not be reaped is
// told of, unless something else was wrong before.
func TestHelperThatEndsEarly(t *testing.T) {
	k, c := two(t)
	notReaped := errors.New("not reaped")
	for _, at := range []string{"list the members", "report the list's length", "report the list"} {
		for _, k.endErr = range []error{nil, notReaped} {
			k.dieAt = at
			if _, err := c.Processes(1); !errors.Is(err, errHelperDied) {
				t.Errorf("Processes with a helper that dies before %q = %v; want %v", at, err, errHelperDied)
			}
		}
	}
	k.dieAt = ""
	if _, err := c.Processes(1); !errors.Is(err, notReaped) {
		t.Errorf("Processes = %v; want %v", err, notReaped)
	}
}

// What fails for another reason than room is not tried with more of it, and a
// list that never fits is given up.
func TestRoomForTheList(t *testing.T) {
	k, c := two(t)
	for range 96 - len(k.procs) { // 128 with those that are allowed for
		k.spawn(0)
	}
	k.noMemory = true
	if _, err := c.Processes(1); !errors.Is(err, syscall.ENOMEM) || k.called("list the members") != 12 {
		t.Errorf("Processes = %v after %d lists; want ENOMEM after 12, of 128 to 262144 processes", err, k.called("list the members"))
	}
	k.noMemory, k.log = false, nil
	k.dirs = []string{"/"}
	if _, err := c.Processes(1); !errors.Is(err, syscall.ENOENT) || k.called("chroot") != 1 {
		t.Errorf("Processes = %v after %d tries; want ENOENT after one", err, k.called("chroot"))
	}
	k.log = nil
	if err := c.Kill(1, sigKill); !errors.Is(err, syscall.ENOENT) || k.called("chroot") != 1 {
		t.Errorf("Kill = %v after %d tries; want ENOENT after one", err, k.called("chroot"))
	}
}

// Who forks faster than it is killed, and who kills each helper, is given up.
func TestKillThatNeverEnds(t *testing.T) {
	k, c := two(t)
	c.patience = 5 * time.Millisecond
	k.onKilled = func() { k.spawn(1) }
	if err := c.Kill(1, sigKill); !errors.Is(err, kmod.ErrBusy) || !strings.Contains(err.Error(), "1 processes still run") {
		t.Errorf("Kill of who forks = %v; want ErrBusy", err)
	}
	k.onKilled = nil
	k.dieAt = "list the members"
	if err := c.Kill(1, sigKill); !errors.Is(err, errHelperDied) {
		t.Errorf("Kill by helpers that die = %v; want %v", err, errHelperDied)
	}
}

// Members are listed by their numbers, in whatever order the kernel has them.
func TestProcessesAreSorted(t *testing.T) {
	k, c := two(t)
	slices.Reverse(k.procs)
	if got, err := c.Processes(1); err != nil || !slices.Equal(got, []int{201, 202}) {
		t.Errorf("Processes = %v, %v; want 201 and 202", got, err)
	}
}

func TestReadFailure(t *testing.T) {
	if err := readFailure(strings.NewReader(""), nil); err != nil {
		t.Errorf("an empty report = %v; want nil", err)
	}
	if err := readFailure(strings.NewReader("abc"), nil); err == nil {
		t.Error("a report cut short is no error")
	}
	var e *stage.Error
	rec := string(binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), uint32(syscall.EPERM)))
	if err := readFailure(strings.NewReader(rec), []string{"a", "b"}); !errors.As(err, &e) || e.Step != "b" {
		t.Errorf("report = %v; want step b", err)
	}
}
