package runtime_test

// What create and exec refuse, and what is left of a create that fails: by a
// kernel that fails where a test wants.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var errKernel = errors.New("the kernel is out of order")

// troubled are cells of which calls fail.
type troubled struct {
	kmod.Client
	before  map[string]func() error // by the call's name
	told    kmod.Spec
	entered func(*kmod.Entry) // what an entry is changed by, nil = nothing
}

func (c *troubled) ask(call string) error {
	if f := c.before[call]; f != nil {
		return f()
	}
	return nil
}

func (c *troubled) Create(s kmod.Spec) (kmod.ID, error) {
	c.told = s
	if err := c.ask("Create"); err != nil {
		return 0, err
	}
	return c.Client.Create(s)
}

func (c *troubled) Enter(id kmod.ID) (kmod.Entry, error) {
	if err := c.ask("Enter"); err != nil {
		return kmod.Entry{}, err
	}
	entry, err := c.Client.Enter(id)
	if err == nil && c.entered != nil {
		c.entered(&entry)
	}
	return entry, err
}

func (c *troubled) Entered(id kmod.ID, pid int) error {
	return errors.Join(c.ask("Entered"), c.Client.Entered(id, pid))
}

func (c *troubled) Destroy(id kmod.ID) error {
	if err := c.ask("Destroy"); err != nil {
		return err
	}
	return c.Client.Destroy(id)
}

// inTrouble is an embedder with such cells.
func inTrouble(t *testing.T, change func(*runtime.Options)) (*embedder, *troubled) {
	t.Helper()
	c := &troubled{before: map[string]func() error{}}
	e := newEmbedder(t, func(o *runtime.Options) {
		c.Client, o.Kmod = o.Kmod, c
		if change != nil {
			change(o)
		}
	})
	return e, c
}

func fails() error { return errKernel }

func (e *embedder) options(id string) runtime.CreateOptions {
	return runtime.CreateOptions{ID: id, Bundle: e.bundle, Streams: &runtime.Streams{}}
}

// once makes a container and removes it: what is opened once is open then, and no
// child is left. It gives how many descriptors there are.
func (e *embedder) once() (fds int) {
	e.t.Helper()
	p := e.create("one", &runtime.Streams{})
	e.do(e.Delete(e.t.Context(), "one", true))
	e.ended(p)
	return len(openDescriptors(e.t, os.Getpid()))
}

// nothing is what is left of a create that has failed.
func (e *embedder) nothing(id string, kernel kmod.Client, fds int) {
	e.t.Helper()
	if _, err := e.State(id); !errors.Is(err, runtime.ErrNotExist) {
		e.t.Errorf("State = %v; want ErrNotExist", err)
	}
	if cells, err := kernel.List(); err != nil || len(cells) > 0 {
		e.t.Errorf("cells left: %+v, %v", cells, err)
	}
	if entries, err := filepath.Glob(e.root + "/[^@]*"); err != nil || len(entries) > 0 {
		e.t.Errorf("left: %q, %v", entries, err)
	}
	if now := openDescriptors(e.t, os.Getpid()); len(now) > fds {
		e.t.Errorf("%d descriptors before, now %v", fds, now)
	}
	e.childless()
}

// childless waits until all that have ended are reaped, and wants no other child.
func (e *embedder) childless() {
	e.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.ECHILD) {
			return
		}
		if time.Since(began) > 20*time.Second {
			e.t.Errorf("a child is left: %v", err)
			return
		}
	}
}

// A create that fails takes back all that it has done, wherever that was, and says
// whose it was. What it can't take back is there to be removed.
func TestFailedCreateLeavesNothing(t *testing.T) {
	e, c := inTrouble(t, nil)
	fds := e.once()
	for _, call := range []string{"Create", "Enter", "Entered"} {
		c.before = map[string]func() error{call: fails}
		if _, err := e.Create(t.Context(), e.options("one")); !errors.Is(err, errKernel) || !strings.HasPrefix(err.Error(), `create "one": `) {
			t.Errorf("%s fails: Create = %v", call, err)
		}
		e.nothing("one", c.Client, fds)
	}
	// Whatever comes of it, it has ended for the caller's reason.
	why := errors.New("the caller wants no more")
	for _, call := range []string{"Create", "Enter", "Entered"} {
		for _, fail := range []error{errKernel, nil} {
			ctx, cancel := context.WithCancelCause(t.Context())
			c.before = map[string]func() error{"Entered": func() error { t.Errorf("ended in %s: a process is made a member", call); return nil }}
			c.before[call] = func() error { cancel(why); return fail }
			if _, err := e.Create(ctx, e.options("one")); !errors.Is(err, why) || errors.Is(err, errKernel) {
				t.Errorf("ended in %s: Create = %v; want the context's cause", call, err)
			}
			e.nothing("one", c.Client, fds)
		}
	}
	c.before = map[string]func() error{"Entered": fails, "Destroy": fails}
	if _, err := e.Create(t.Context(), e.options("one")); err == nil || !strings.Contains(err.Error(), "and undoing it") || !strings.Contains(err.Error(), "`delete --force`") {
		t.Errorf("nothing can be taken back: Create = %v; want the way out", err)
	}
	if list, err := e.List(); err != nil || len(list) != 1 {
		t.Errorf("%d containers, %v; want what is left", len(list), err)
	}
	c.before = nil
	e.do(e.Delete(t.Context(), "one", true))
	e.nothing("one", c.Client, fds)
}

// lacking calls a function that lacks descriptors until it has enough: each time
// it may open one more. What has failed has left none open, whatever it was.
func (e *embedder) lacking(what string, call func() error, failed func(error)) {
	e.t.Helper()
	var was unix.Rlimit
	e.do(unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	fds := len(openDescriptors(e.t, os.Getpid()))
	for n := uint64(3); ; n++ {
		e.do(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: was.Max}))
		err := call()
		e.do(unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
		if err == nil {
			return
		}
		if failed != nil {
			failed(err)
		}
		if now := openDescriptors(e.t, os.Getpid()); len(now) > fds {
			e.t.Fatalf("%s with %d descriptors: %v; %d were open, and now %v", what, n, err, fds, now)
		}
		if n > was.Cur {
			e.t.Fatalf("%s: %v", what, err)
		}
	}
}

// Wherever it is that one descriptor is missing, none is left open.
func TestFailedCreateLacksADescriptor(t *testing.T) {
	e, c := inTrouble(t, func(o *runtime.Options) { o.Nofile = &oci.Rlimit{Soft: 1024, Hard: 1024} })
	ctx := t.Context()
	take := func(m *os.File) error { return m.Close() }
	e.once()
	for _, terminal := range []bool{false, true} {
		e.spec.Process.Terminal = terminal
		e.do(writeConfig(e.bundle, &e.spec))
		o := e.options("one")
		x := execOptions("one", o.Streams, "exit", "0")
		if x.Process.Terminal = terminal; terminal {
			o.Streams, o.Terminal = nil, take
			x.Streams, x.Terminal = nil, take
		}
		var first, p *runtime.Process
		create := func() (err error) { first, err = e.Create(ctx, o); return err }
		undone := func(err error) {
			if strings.Contains(err.Error(), "and undoing it") {
				e.do(e.Delete(ctx, "one", true))
			}
			e.nothing("one", c.Client, len(openDescriptors(t, os.Getpid())))
		}
		e.lacking("Create", create, undone)
		e.lacking("Start", func() error { return e.Start(ctx, "one") }, func(error) {
			if err := e.Delete(ctx, "one", true); err != nil && !errors.Is(err, runtime.ErrNotExist) {
				t.Error(err)
			}
			e.ended(first)
			e.do(create())
		})
		e.lacking("Spawn", func() (err error) { p, err = e.Spawn(ctx, x); return err }, nil)
		e.ended(p)
		if pids, err := e.Processes("one"); err != nil || len(pids) != 1 {
			t.Errorf("processes %v, %v; want the first one alone", pids, err)
		}
		e.lacking("Delete", func() error { return e.Delete(ctx, "one", true) }, nil)
		e.ended(first)
		e.nothing("one", c.Client, len(openDescriptors(t, os.Getpid())))
	}
}

// So with what is asked and told of a container.
func TestCallsLackADescriptor(t *testing.T) {
	e := newEmbedder(t, nil)
	ctx := t.Context()
	p := e.create("one", &runtime.Streams{})
	e.do(e.Start(ctx, "one"))
	for _, one := range []struct {
		what string
		call func() error
	}{
		{"State", func() error { _, err := e.State("one"); return err }},
		{"List", func() error { _, err := e.List(); return err }},
		{"Listing", func() error { _, err := e.Listing(ctx); return err }},
		{"Cells", func() error { _, err := e.Cells(); return err }},
		{"Plan", func() error { _, err := e.Plan("one"); return err }},
		{"Processes", func() error { _, err := e.Processes("one"); return err }},
		{"Members", func() error { _, err := e.Members("one"); return err }},
		{"Stats", func() error { _, err := e.Stats("one"); return err }},
		{"Survey", func() error { _, err := e.Survey(func(string) bool { return true }); return err }},
		{"Limit", func() error { return e.Limit("one", 100) }},
		{"Pause", func() error { return e.Pause("one") }},
		{"Resume", func() error { return e.Resume("one") }},
		{"Recover", func() error { _, err := e.Recover(ctx); return err }},
		{"Kill", func() error { return e.Kill("one", unix.SIGKILL, true) }},
	} {
		e.lacking(one.what, one.call, nil)
	}
	e.ended(p)
	e.lacking("ExitStatus", func() error { _, _, err := e.ExitStatus(ctx, "one"); return err }, nil)
	e.lacking("Delete", func() error { return e.Delete(ctx, "one", false) }, nil)
}

// The record is there before the cell: who finds the one finds the other.
func TestRecordComesFirst(t *testing.T) {
	e, c := inTrouble(t, nil)
	c.before["Create"] = func() error {
		if s, err := e.State("one"); err != nil || s.Status != runtime.Creating {
			t.Errorf("before there is a cell, State = %+v, %v", s, err)
		}
		if _, err := os.Stat(filepath.Join(e.root, "@addresses")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without an address, the list of addresses: %v", err)
		}
		return nil
	}
	e.create("one", &runtime.Streams{})
	e.do(e.Delete(t.Context(), "one", true))
}

// What is refused is refused before anything is made.
func TestRefused(t *testing.T) {
	plain := func(*specs.Spec) {}
	for _, one := range []struct {
		name   string
		change func(*specs.Spec)
		set    func(*runtime.CreateOptions)
		strict bool
		want   string
	}{
		{"an id that is a path", plain, func(o *runtime.CreateOptions) { o.ID, o.Bundle = "../x", "/nonexistent" }, false, "invalid character"},
		{"no process", func(s *specs.Spec) { s.Process = nil }, nil, false, "process: missing"},
		{"what would be warned of", func(s *specs.Spec) { s.Process.ApparmorProfile = "some" }, nil, true, "apparmorProfile"},
		{"a terminal for nobody", func(s *specs.Spec) { s.Process.Terminal = true }, func(o *runtime.CreateOptions) { o.Streams = nil }, false, "--console-socket is needed"},
		{"a namespace of another type", func(s *specs.Spec) {
			s.Linux = &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "uts", Path: "/proc/self/ns/ipc"}}}
		}, nil, false, "not a namespace of type uts"},
	} {
		e, c := inTrouble(t, func(o *runtime.Options) { o.Strict = one.strict })
		c.before["Create"] = func() error { t.Errorf("%s: a cell is made", one.name); return errKernel }
		one.change(&e.spec)
		e.do(writeConfig(e.bundle, &e.spec))
		o := e.options("one")
		if one.set != nil {
			one.set(&o)
		}
		if _, err := e.Create(t.Context(), o); err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: Create = %v; want %q", one.name, err, one.want)
		}
	}
}

// The group of the configuration is used, unless the caller says otherwise.
func TestNoCgroup(t *testing.T) {
	e, c := inTrouble(t, nil)
	c.before["Create"] = fails
	e.spec.Linux = &specs.Linux{CgroupsPath: "/some"}
	e.config()
	for no, want := range map[bool]string{false: "/some", true: ""} {
		o := e.options("one")
		o.NoCgroup = no
		if _, err := e.Create(t.Context(), o); !errors.Is(err, errKernel) || c.told.CgroupsPath != want {
			t.Errorf("NoCgroup %v: the kernel is told %q, %v; want %q", no, c.told.CgroupsPath, err, want)
		}
	}
}

// A terminal in the place of a namespace does not become ours.
func TestTerminalIsNoNamespace(t *testing.T) {
	e := newEmbedder(t, nil)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	e.do(err)
	defer func() { _ = master.Close() }()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	e.do(errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)))
	e.spec.Linux = &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "uts", Path: "/dev/pts/" + strconv.Itoa(n)}}}
	e.config()
	if out := e.unprotected("create", e.root, e.bundle); !strings.Contains(out, "it is no namespace") || strings.Contains(out, "it has a terminal") {
		t.Errorf("Create said %q", out)
	}
}

// exec refuses what create does, and an empty list of arguments.
func TestExecRefuses(t *testing.T) {
	e := newEmbedder(t, nil)
	e.create("one", &runtime.Streams{})
	spawn := func(o runtime.ExecOptions, want string) {
		t.Helper()
		if _, err := e.Spawn(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Spawn = %v; want %q", err, want)
		}
		if pids, err := e.Processes("one"); err != nil || len(pids) != 1 {
			t.Errorf("processes %v, %v; want the first one alone", pids, err)
		}
	}
	o := execOptions("one", &runtime.Streams{}, "sleep")
	spawn(o, "container is created, start it first")
	e.do(e.Start(t.Context(), "one"))
	e.do(e.Pause("one"))
	spawn(o, "container is paused")
	e.do(e.Resume("one"))
	o.Process.Args = nil
	spawn(o, "process.args is empty")
	o = execOptions("one", nil, "sleep")
	o.Process.Terminal = true
	spawn(o, "--console-socket is needed")
	e.do(e.Delete(t.Context(), "one", true))
}

// Exec stays until the end, whose status it gives; detached, it does not.
func TestExecStays(t *testing.T) {
	e := newEmbedder(t, nil)
	e.create("one", &runtime.Streams{})
	e.do(e.Start(t.Context(), "one"))
	if status, err := e.Exec(t.Context(), execOptions("one", &runtime.Streams{}, "exit", "7")); status != 7 || err != nil {
		t.Errorf("Exec = %d, %v; want 7", status, err)
	}
	o := execOptions("one", &runtime.Streams{}, "exit", "7")
	o.Detach, o.PidFile = true, filepath.Join(t.TempDir(), "pid")
	if status, err := e.Exec(t.Context(), o); status != 0 || err != nil {
		t.Errorf("Exec detached = %d, %v; want 0", status, err)
	}
	text, err := os.ReadFile(o.PidFile)
	e.do(err)
	pid, err := strconv.Atoi(string(text))
	e.do(err)
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Errorf("the child is not ours to reap: %v", err)
	}
	e.do(e.Delete(t.Context(), "one", true))
}

// A warning that nobody reads is none.
func TestUnreadWarning(t *testing.T) {
	var text bytes.Buffer
	out, level := log.L.Logger.Out, log.L.Logger.GetLevel()
	log.L.Logger.SetOutput(&text)
	defer func() { log.L.Logger.SetOutput(out); log.L.Logger.SetLevel(level) }()
	e := newEmbedder(t, nil)
	e.spec.Process.ApparmorProfile = "some"
	e.config()
	for _, l := range []string{"error", "info"} {
		e.do(log.SetLevel(l))
		text.Reset()
		e.create("one", &runtime.Streams{})
		e.do(e.Delete(t.Context(), "one", true))
	}
	if !strings.Contains(text.String(), "process.apparmorProfile: ") {
		t.Errorf("no warning after one that nobody read: %q", text.String())
	}
}
