package runtime_test

// What a program finds that create or exec has made the process of, and what is
// told of one that can't be run.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func (e *embedder) file(name, text string) {
	e.t.Helper()
	path := filepath.Join(e.bundle, "rootfs", name)
	e.do(errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)))
}

// Both kinds of process lead a session, ignore no signal that we do, have a home
// and are sealed.
func TestWhatAProcessIs(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	e := newEmbedder(t, nil)
	e.file("etc/passwd", "root:x:0:0::/of/root:/bin/sh\n")
	e.config("sleep")
	e.create("up", &runtime.Streams{})
	e.do(e.Start(t.Context(), "up"))
	for _, home := range []string{"/of/root", "/own"} {
		env := payloadEnv
		if home == "/own" {
			env = append([]string{"HOME=/own"}, env...)
		}
		want := "leader true HOME=" + home + " SigIgn  Seccomp 2\n"
		e.spec.Process.Env = env
		e.config("is")
		out, read := pipe(t)
		p := e.create("one", out)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
		if err != nil || !strings.Contains(string(status), "\nSeccomp:\t2\n") {
			t.Errorf("the process that waits for start is not sealed: %v, %s", err, status)
		}
		e.do(e.Start(t.Context(), "one"))
		e.ended(p)
		if got := read(); got != want {
			t.Errorf("create: %q; want %q", got, want)
		}
		e.do(e.Delete(t.Context(), "one", true))
		out, read = pipe(t)
		o := execOptions("up", out, "is")
		o.Process.Env = env
		p, err = e.Spawn(t.Context(), o)
		e.do(err)
		e.ended(p)
		if got := read(); got != want {
			t.Errorf("exec: %q; want %q", got, want)
		}
	}
	e.do(e.Delete(t.Context(), "up", true))
}

// The streams of a user are the user's, who can open them by name.
func TestWhatAProcessIsGiven(t *testing.T) {
	e := newEmbedder(t, nil)
	e.create("up", &runtime.Streams{})
	e.do(e.Start(t.Context(), "up"))
	e.spec.Process.User = specs.User{UID: 54321, GID: 54321}
	e.config("reopen")
	const want = "54321 writes\n"
	out, read := pipe(t)
	p := e.create("one", out)
	e.do(e.Start(t.Context(), "one"))
	e.ended(p)
	if got := read(); got != want {
		t.Errorf("create: %q; want %q", got, want)
	}
	e.do(e.Delete(t.Context(), "one", true))
	out, read = pipe(t)
	o := execOptions("up", out, "reopen")
	o.Process.UID, o.Process.GID = 54321, 54321
	p, err := e.Spawn(t.Context(), o)
	e.do(err)
	e.ended(p)
	if got := read(); got != want {
		t.Errorf("exec: %q; want %q", got, want)
	}
	e.do(e.Delete(t.Context(), "up", true))
}

// Where a cell seals nobody, who waits for start still is what made it, and becomes
// the user's with the start.
func TestWhatAProcessIsUntilStart(t *testing.T) {
	e, c := inTrouble(t, nil)
	c.entered = func(entry *kmod.Entry) { entry.Seal, entry.Birth = nil, nil }
	e.spec.Process.User = specs.User{UID: 54321, GID: 54321}
	e.config("reopen")
	out, read := pipe(t)
	p := e.create("one", out)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil || !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") {
		t.Errorf("before it is started: %v, %s", err, status)
	}
	e.do(e.Start(t.Context(), "one"))
	e.ended(p)
	if got, want := read(), "54321 writes\n"; got != want {
		t.Errorf("the program says %q; want %q", got, want)
	}
	e.do(e.Delete(t.Context(), "one", true))
}

// exec's limits are the process's, or the embedder's.
func TestLimitsOfExec(t *testing.T) {
	e := newEmbedder(t, func(o *runtime.Options) { o.Nofile = &oci.Rlimit{Soft: 100, Hard: 300} })
	e.create("up", &runtime.Streams{})
	e.do(e.Start(t.Context(), "up"))
	for want, limits := range map[string][]oci.Rlimit{"100 300\n": nil, "90 200\n": {{Type: "RLIMIT_NOFILE", Soft: 90, Hard: 200}}} {
		out, read := pipe(t)
		o := execOptions("up", out, "limit")
		o.Process.Rlimits = limits
		p, err := e.Spawn(t.Context(), o)
		e.do(err)
		e.ended(p)
		if got := read(); got != want {
			t.Errorf("with %v: %q; want %q", limits, got, want)
		}
	}
	e.do(e.Delete(t.Context(), "up", true))
}

// A service manager's sockets go to the program, which is told of them.
func TestSocketsAreTold(t *testing.T) {
	e := newEmbedder(t, nil)
	e.config("listen")
	if out := e.unprotected("sockets", e.root, e.bundle); out != "1 true <nil>\n" {
		t.Errorf("the program says %q", out)
	}
}

// What can't be run, or can't be told to the caller, leaves no process, and no
// descriptor.
func TestExecThatFails(t *testing.T) {
	e := newEmbedder(t, nil)
	e.file("script", "#!/proc/self/exe\n")
	self, err := filepath.Abs(os.Args[0])
	e.do(err)
	e.spec.Mounts = append(slices.Clone(e.spec.Mounts), specs.Mount{Destination: "/self", Type: "bind", Source: self, Options: []string{"bind", "ro"}})
	e.config()
	e.create("up", &runtime.Streams{})
	e.do(e.Start(t.Context(), "up"))
	take := func(m *os.File) error { return m.Close() }
	try := func(o runtime.ExecOptions, want string) {
		t.Helper()
		if _, err := e.Spawn(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Spawn = %v; want %q", err, want)
		}
	}
	for _, terminal := range []bool{false, true} {
		with := func(program string) runtime.ExecOptions {
			o := execOptions("up", &runtime.Streams{}, "exit", "0")
			o.Process.Args[0] = program
			if o.Process.Terminal = terminal; terminal {
				o.Streams, o.Terminal = nil, take
			}
			return o
		}
		p, err := e.Spawn(t.Context(), with("/payload")) // what is opened once
		e.do(err)
		e.ended(p)
		fds := len(openDescriptors(t, os.Getpid()))
		try(with("/proc/self/exe"), "")
		try(with("/script"), `interpreter "/proc/self/exe"`)
		o := with("/self")
		o.Process.Args = []string{"/self", "sleep"}
		try(o, "it leads to the runcell binary")
		try(with("/none"), "/none")
		o = with("/payload")
		o.PidFile = "/nonexistent/pid"
		try(o, "--pid-file")
		if terminal {
			o = with("/payload")
			o.Terminal, o.ConsoleSocket = nil, "/nonexistent/socket"
			try(o, "/nonexistent/socket")
		}
		if now := openDescriptors(t, os.Getpid()); len(now) > fds {
			t.Errorf("terminal %v: %d descriptors before, now %v", terminal, fds, now)
		}
	}
	if pids, err := e.Processes("up"); err != nil || len(pids) != 1 {
		t.Errorf("processes %v, %v; want the first one alone", pids, err)
	}
	o := execOptions("up", &runtime.Streams{}, "exit", "0")
	o.PidFile = filepath.Join(t.TempDir(), "pid")
	p, err := e.Spawn(t.Context(), o)
	e.do(err)
	if b, err := os.ReadFile(o.PidFile); err != nil || string(b) != fmt.Sprint(p.Pid()) {
		t.Errorf("the pid file has %q, %v; want %d", b, err, p.Pid())
	}
	e.ended(p)
	e.do(e.Delete(t.Context(), "up", true))
}

// So with create.
func TestCreateThatCannotTell(t *testing.T) {
	e, c := inTrouble(t, nil)
	e.file("script", "#!/proc/self/exe\n")
	fds := e.once()
	try := func(want string, set func(*runtime.CreateOptions)) {
		t.Helper()
		e.do(writeConfig(e.bundle, &e.spec))
		o := e.options("one")
		set(&o)
		if _, err := e.Create(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Create = %v; want %q", err, want)
		}
		e.nothing("one", c.Client, fds)
	}
	try("--pid-file", func(o *runtime.CreateOptions) { o.PidFile = "/nonexistent/pid" })
	e.spec.Process.Args[0] = "/script"
	try(`interpreter "/proc/self/exe"`, func(*runtime.CreateOptions) {})
	e.spec.Process.Args[0] = "/none"
	try("/none", func(*runtime.CreateOptions) {})
	e.spec.Process.Args[0], e.spec.Process.Terminal = "/payload", true
	try("/nonexistent/socket", func(o *runtime.CreateOptions) { o.Streams, o.ConsoleSocket = nil, "/nonexistent/socket" })
	refused := errors.New("no terminal for me")
	try(refused.Error(), func(o *runtime.CreateOptions) {
		o.Streams, o.Terminal = nil, func(m *os.File) error { return errors.Join(refused, m.Close()) }
	})
}

// The terminal of a create that fails later is closed, whoever would have got it.
func TestCreateThatCannotKeepATerminal(t *testing.T) {
	e, c := inTrouble(t, nil)
	e.do(os.Symlink("/", filepath.Join(e.bundle, "rootfs/all")))
	fds := e.once()
	take := func(m *os.File) error { return m.Close() }
	for _, one := range []struct {
		want string
		set  func(*specs.Spec, *runtime.CreateOptions)
	}{
		{"linux.readonlyPaths /all", func(s *specs.Spec, _ *runtime.CreateOptions) { s.Linux = &specs.Linux{ReadonlyPaths: []string{"/all"}} }},
		{"set process.rlimits RLIMIT_NOFILE", func(s *specs.Spec, _ *runtime.CreateOptions) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1 << 40, Hard: 1 << 40}}
		}},
		{"--pid-file", func(_ *specs.Spec, o *runtime.CreateOptions) { o.PidFile = "/nonexistent/pid" }},
	} {
		for _, wanted := range []bool{true, false} {
			spec, o := payloadSpec("sleep"), e.options("one")
			spec.Process.Terminal = true
			one.set(&spec, &o)
			e.do(writeConfig(e.bundle, &spec))
			if o.Streams = nil; wanted {
				o.Terminal = take
			}
			if _, err := e.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), one.want) {
				t.Errorf("Run = %v; want %q", err, one.want)
			}
			e.nothing("one", c.Client, fds)
		}
	}
}

// A terminal that somebody else has got is not joined with ours, also where a
// command stays.
func TestStaysWithoutTheTerminal(t *testing.T) {
	e := newEmbedder(t, nil)
	e.spec.Process.Terminal = true
	e.config("exit", "3")
	var taken *os.File
	take := func(m *os.File) error { taken = m; return nil } // and closed later, or the program hangs up
	still := func(what string) {
		t.Helper()
		if _, err := taken.Stat(); err != nil {
			t.Errorf("%s: who has given the terminal away has closed it: %v", what, err)
		}
		_ = taken.Close()
	}
	if status, err := e.Run(t.Context(), runtime.CreateOptions{ID: "one", Bundle: e.bundle, Terminal: take}); status != 3 || err != nil {
		t.Errorf("Run = %d, %v; want 3", status, err)
	}
	still("Run")
	e.spec.Process.Terminal = false
	e.config("sleep")
	e.create("up", &runtime.Streams{})
	e.do(e.Start(t.Context(), "up"))
	o := execOptions("up", nil, "exit", "3")
	o.Process.Terminal, o.Terminal = true, take
	if status, err := e.Exec(t.Context(), o); status != 3 || err != nil {
		t.Errorf("Exec = %d, %v; want 3", status, err)
	}
	still("Exec")
	e.do(e.Delete(t.Context(), "up", true))
}

// A step that fails after the release is told by its name, by whoever starts.
func TestFailingStartIsNamed(t *testing.T) {
	e := newEmbedder(t, nil)
	e.file("garbage", "\x7fnothing")
	e.spec.Process.Args = []string{"/garbage"}
	e.do(writeConfig(e.bundle, &e.spec))
	e.create("one", &runtime.Streams{})
	const want = "exec /garbage: exec format error"
	if err := e.Start(t.Context(), "one"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Start = %v; want %q", err, want)
	}
	e.do(e.Delete(t.Context(), "one", true))
	if _, err := e.Run(t.Context(), e.options("one")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v; want %q", err, want)
	}
}

// The hooks around a create that fails.
func TestHooksOfAFailedCreate(t *testing.T) {
	e := newEmbedder(t, nil)
	ran := filepath.Join(t.TempDir(), "ran")
	host := func(args ...string) []specs.Hook {
		return []specs.Hook{{Path: filepath.Join(e.bundle, "rootfs/payload"), Args: append([]string{"payload"}, args...), Env: payloadEnv}}
	}
	e.spec.Hooks = &specs.Hooks{CreateContainer: host("exit", "7"), Poststop: host("fds", ran)}
	e.config()
	if _, err := e.Create(t.Context(), e.options("one")); err == nil || !strings.Contains(err.Error(), "hooks.createContainer[0]") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("Create = %v; want the hook's name and status", err)
	}
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("poststop hooks did not run: %v", err)
	}
	e.childless()
}
