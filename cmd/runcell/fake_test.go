package main

// A fake runtime that records what the commands ask of it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
)

type fake struct {
	root    string // as opened
	emulate string
	strict  bool
	call    string // the last call, without its options
	create  runtime.CreateOptions
	exec    runtime.ExecOptions

	// What the calls answer.
	err      error
	status   int
	states   []*runtime.State
	pids     []int
	members  []kmod.Member
	stats    []kmod.Stats // one after the other, then the container has ended
	statsErr error
	stdin    string
	plan     *oci.Plan
	planErr  error
	atOnce   bool           // a detached program ends at once, with status
	ended    map[string]int // exit statuses
	// The kernel's cells, of which only the first has processes.
	cells     []runtime.Cell
	cellsErr  error
	cellStats map[kmod.ID][]kmod.Stats // one after the other, the last again and again
	claims    map[kmod.ID]kmod.Claims
	sockets   map[kmod.ID][]kmod.Socket
	now       time.Time
	features  kmod.Features
	hook      func(ctx context.Context) // runs inside Create and Run
	streams   *[3]*os.File              // instead of the test's own
	etc       string
	stopped   bool // somebody has asked for the end
}

// did holds several calls at once apart.
var didLock sync.Mutex

func (f *fake) did(format string, v ...any) {
	didLock.Lock()
	defer didLock.Unlock()
	f.call = fmt.Sprintf(format, v...)
}

func (f *fake) Create(ctx context.Context, o runtime.CreateOptions) (*runtime.Process, error) {
	f.did("create %s", o.ID)
	f.create = o
	if f.hook != nil {
		f.hook(ctx)
	}
	return nil, f.err
}

func (f *fake) Run(ctx context.Context, o runtime.CreateOptions) (int, error) {
	f.did("run %s detach=%v keep=%v", o.ID, o.Detach, o.Keep)
	f.create = o
	if f.hook != nil {
		f.hook(ctx)
	}
	if o.Detach && f.atOnce {
		o.AtOnce(f.status)
		return 0, f.err
	}
	return f.status, f.err
}

func (f *fake) Start(_ context.Context, id string) error {
	f.did("start %s", id)
	return f.err
}

func (f *fake) Exec(_ context.Context, o runtime.ExecOptions) (int, error) {
	f.did("exec %s %q detach=%v", o.ID, o.Process.Args, o.Detach)
	f.exec = o
	return f.status, f.err
}

func (f *fake) State(id string) (*runtime.State, error) {
	f.did("state %s", id)
	if f.err != nil {
		return nil, f.err
	}
	return f.states[0], nil
}

func (f *fake) List() ([]*runtime.State, error) {
	f.did("list")
	return f.states, f.err
}

func (f *fake) Listing(context.Context) ([]runtime.Listed, error) {
	f.did("list")
	list := []runtime.Listed{}
	for _, s := range f.states {
		l := runtime.Listed{State: s}
		if status, known := f.ended[s.ID]; known && s.Status == runtime.Stopped {
			l.ExitStatus = &status
		}
		for _, c := range f.cells {
			if c.Container == s.ID {
				l.Ports = f.claims[c.ID].Ports
			}
		}
		list = append(list, l)
	}
	return list, f.err
}

func (f *fake) Kill(id string, sig syscall.Signal, all bool) error {
	f.did("kill %s %d all=%v", id, sig, all)
	return f.err
}

func (f *fake) Stop(ctx context.Context, id string, o runtime.StopOptions) (runtime.Ending, error) {
	f.did("stop %s %v", id, o.Patience)
	if f.hook != nil {
		f.hook(ctx)
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
	}
	if o.Patience > 0 {
		o.Waiting("SIGTERM")
	}
	if id == "missing" {
		return "", runtime.ErrNotExist
	}
	return runtime.EndedByStop, f.err
}

func (f *fake) StopAsked(string) (bool, error) { return f.stopped, nil }

func (f *fake) Pause(id string) error {
	f.did("pause %s", id)
	return f.err
}

func (f *fake) Resume(id string) error {
	f.did("resume %s", id)
	return f.err
}

func (f *fake) Recover(context.Context) ([]string, error) {
	f.did("recover")
	return []string{"web: its create was killed"}, f.err
}

func (f *fake) Delete(_ context.Context, id string, force bool) error {
	f.did("delete %s force=%v", id, force)
	return f.err
}

func (f *fake) Wait(ctx context.Context, id string) (int, error) {
	f.did("wait %s", id)
	if f.hook != nil {
		f.hook(ctx)
	}
	return f.status, f.err
}

func (f *fake) Processes(id string) ([]int, error) {
	f.did("ps %s", id)
	return f.pids, f.err
}

func (f *fake) Members(id string) ([]kmod.Member, error) {
	f.did("ps %s", id)
	return f.members, f.err
}

func (f *fake) Stats(id string) (kmod.Stats, error) {
	f.did("stats %s", id)
	if f.statsErr != nil || f.err != nil {
		return kmod.Stats{}, errors.Join(f.statsErr, f.err)
	}
	if len(f.stats) == 0 {
		return kmod.Stats{}, runtime.ErrNotRunning
	}
	s := f.stats[0]
	f.stats = f.stats[1:]
	return s, nil
}

func (f *fake) ExitStatus(_ context.Context, id string) (int, bool, error) {
	status, known := f.ended[id]
	return status, known, nil
}

func (f *fake) Cells() ([]runtime.Cell, error) { return slices.Clone(f.cells), f.cellsErr }

func (f *fake) CellMembers(id kmod.ID) ([]kmod.Member, error) {
	if f.cells[0].ID == id {
		return f.members, nil
	}
	return nil, kmod.ErrNotFound // it goes while it is looked at
}

func (f *fake) CellProcesses(id kmod.ID) ([]int, error) {
	if f.cells[0].ID == id {
		return f.pids, nil
	}
	return nil, kmod.ErrNotFound
}

func (f *fake) CellStats(id kmod.ID) (kmod.Stats, error) {
	list := f.cellStats[id]
	if len(list) == 0 {
		return kmod.Stats{}, kmod.ErrNotFound
	}
	if len(list) > 1 {
		f.cellStats[id] = list[1:]
	}
	return list[0], nil
}

func (f *fake) CellClaims(c runtime.Cell) (kmod.Claims, error) {
	claims, ok := f.claims[c.ID]
	if !ok {
		return claims, kmod.ErrUnsupported
	}
	return claims, nil
}

func (f *fake) CellSockets(id kmod.ID) ([]kmod.Socket, error) { return f.sockets[id], nil }

func (f *fake) Survey(count func(id string) bool) ([]runtime.Seen, error) {
	f.did("survey")
	if f.states == nil {
		return nil, f.err
	}
	seen := []runtime.Seen{}
	for _, s := range f.states {
		one := runtime.Seen{State: s}
		if s.Status != runtime.Stopped && s.Status != runtime.Creating && count(s.ID) {
			stats, err := f.Stats(s.ID)
			switch {
			case err == nil:
				one.Stats = &stats
			case !errors.Is(err, runtime.ErrNotRunning):
				one.Err = err
			}
		}
		seen = append(seen, one)
	}
	return seen, f.err
}

func (f *fake) Limit(id string, processes uint64) error {
	f.did("limit %s %d", id, processes)
	return f.err
}

func (f *fake) Reserve(r kmod.Reservations) error {
	f.did("reserve %v %v", r.Ports, r.Addresses)
	return f.err
}

func (f *fake) Plan(string) (*oci.Plan, error) {
	if f.planErr != nil {
		return nil, f.planErr
	}
	if f.plan == nil {
		return &oci.Plan{Process: &oci.Process{Args: []string{"/own"}, Cwd: "/"}}, nil
	}
	return f.plan, nil
}

func (f *fake) Features() (kmod.Features, error) { return f.features, nil }

// runcell runs a command line on the fake, as root.
func (f *fake) runcell(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return f.runcellAs(t, 0, nil, args...)
}

func (f *fake) runcellAs(t *testing.T, euid int, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp()
	protected := false
	a.embed = func() error { protected = true; return nil }
	a.Stdout, a.Stderr, a.euid = &out, &errs, euid
	a.stdin, a.etc = strings.NewReader(f.stdin), f.etc
	if f.streams != nil {
		a.streams = *f.streams
	}
	if !f.now.IsZero() {
		a.now = func() time.Time { f.now = f.now.Add(time.Second); return f.now }
	}
	a.getenv = func(name string) string { return env[name] }
	a.open = func(root, emulate string, strict bool) (engine, error) {
		f.root, f.emulate, f.strict = root, emulate, strict
		if args[0] == "exec" && euid == 0 && !protected {
			t.Errorf("%q: what is read now is read once more by the protected copy of the program", args)
		}
		return f, nil
	}
	a.reenter = func(int) (int, bool, error) { return 0, false, nil }
	code = a.main(append([]string{"runcell"}, args...))
	a.Journal.Close()
	if twice := saysTwice(errs.String()); code != 0 && twice != "" {
		t.Errorf("%q: %s says twice %q", args, errs.String(), twice)
	}
	return out.String(), errs.String(), code
}

// saysTwice gives the part of a message that says what the part before it has
// said: one of the two is too many.
func saysTwice(message string) string {
	parts := strings.Split(message, ": ")
	for i, part := range parts[1:] {
		before, now := strings.Fields(parts[i]), strings.Fields(part)
		if len(before) >= 2 && len(now) >= 2 && before[0] == now[0] && before[1] == now[1] {
			return part
		}
	}
	return ""
}

// golden compares with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; UPDATE=1 writes it anew.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
