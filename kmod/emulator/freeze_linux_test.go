package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

func TestPatienceOfAPause(t *testing.T) {
	odd := errors.New("odd")
	for name, tt := range map[string]struct {
		patience time.Duration
		done     func(calls int) (bool, error)
		want     error
		calls    int
	}{
		"at once":            {time.Minute, func(int) (bool, error) { return true, nil }, nil, 1},
		"the third time":     {time.Minute, func(n int) (bool, error) { return n == 3, nil }, nil, 3},
		"an error":           {time.Minute, func(int) (bool, error) { return false, odd }, odd, 1},
		"never":              {1, func(int) (bool, error) { return false, nil }, kmod.ErrBusy, 1},
		"done with an error": {time.Minute, func(int) (bool, error) { return true, odd }, odd, 1},
	} {
		calls := 0
		err := within(tt.patience, func() (bool, error) {
			if calls++; calls > 9 {
				t.Fatalf("%s: it asks again and again", name)
			}
			return tt.done(calls)
		})
		if !errors.Is(err, tt.want) || calls != tt.calls {
			t.Errorf("%s: %v after %d calls; want %v after %d", name, err, calls, tt.want, tt.calls)
		}
	}
	calls := 0
	if err := within(20*time.Millisecond, func() (bool, error) { calls++; return false, nil }); !errors.Is(err, kmod.ErrBusy) || calls > 20 {
		t.Errorf("%v after %d calls; want pauses between them", err, calls)
	}
}

// Two looks in a row have to find the same processes at rest.
func TestPauseLooksTwice(t *testing.T) {
	type seen struct {
		pids []int
		rest bool
	}
	for name, tt := range map[string]struct {
		looks []seen
		want  string
	}{
		"at rest":        {[]seen{{[]int{1, 2}, true}, {[]int{1, 2}, true}}, "false true "},
		"one more":       {[]seen{{[]int{1}, true}, {[]int{1, 2}, true}, {[]int{1, 2}, true}}, "false false true "},
		"one runs":       {[]seen{{[]int{1, 2}, false}, {[]int{1, 2}, true}, {[]int{1, 2}, true}}, "false false true "},
		"one is born":    {[]seen{{[]int{1}, true}, {[]int{1, 2}, false}, {[]int{1}, true}, {[]int{1}, true}}, "false false false true "},
		"nobody is left": {[]seen{{[]int{1}, false}, {nil, true}}, "false true "},
	} {
		n := 0
		done := twice(func() ([]int, bool, error) { n++; return tt.looks[n-1].pids, tt.looks[n-1].rest, nil })
		got := ""
		for range tt.looks {
			ok, err := done()
			if got += fmt.Sprint(ok, " "); err != nil {
				t.Error(err)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s; want %s", name, got, tt.want)
		}
	}
	odd := errors.New("odd")
	if _, err := twice(func() ([]int, bool, error) { return nil, false, odd })(); !errors.Is(err, odd) {
		t.Errorf("a look that fails: %v", err)
	}
}

func TestPauseHasStopped(t *testing.T) {
	cmd := bystander(t, "")
	pid := cmd.Process.Pid
	if stopped([]int{nobody, pid}) {
		t.Error("a process that runs counts as stopped")
	}
	state := func(want byte) {
		t.Helper()
		err := eventually(func() (bool, error) { s, err := readStat(pid); return s.state == want, err })
		if err != nil || !stopped([]int{nobody, pid}) {
			t.Errorf("in state %c (%v) it counts as running", want, err)
		}
	}
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Error(err)
	}
	state('T')
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	state('Z')
}

// A cell is frozen by its cgroup, and what cannot be frozen is let go.
func TestPauseByCgroup(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait")
	first.line()
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		do   func(kmod.ID) error
		want string
	}{{h.Pause, "frozen 1"}, {h.Resume, "frozen 0"}} {
		err := tt.do(id)
		if got := written(t, filepath.Join(x.Cgroup, "cgroup.events")); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%v, events %q; want %s", err, got, tt.want)
		}
		if s, err := readStat(first.pid); err != nil || s.state == 'T' {
			t.Errorf("state %c, %v; want one that is not stopped", s.state, err)
		}
	}

	// Both lines are in the file, so that only what is written tells them apart.
	dir := hierarchy(t, map[string]string{"cgroup.freeze": "", "cgroup.events": "populated 1\nfrozen 1\nfrozen 0\n"})
	cgroup := h.place(id, dir)
	for _, tt := range []struct {
		do   func(kmod.ID) error
		want string
	}{{h.Pause, "1"}, {h.Resume, "0"}} {
		err := tt.do(id)
		if got := written(t, filepath.Join(dir, "cgroup.freeze")); err != nil || got != tt.want {
			t.Errorf("%v, cgroup.freeze = %q; want %s", err, got, tt.want)
		}
	}
	if err := os.Remove(filepath.Join(dir, "cgroup.events")); err != nil {
		t.Fatal(err)
	}
	if err := h.Pause(id); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "letting it go on") {
		t.Errorf("Pause of what tells nothing = %v; want both that failed", err)
	}
	if err := h.Resume(id); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Resume of what tells nothing = %v; want ENOENT", err)
	}
	if got := written(t, filepath.Join(dir, "cgroup.freeze")); got != "0" {
		t.Errorf("cgroup.freeze = %q; want it to go on", got)
	}
	h.place(id, cgroup)
	h.end(id)
}
