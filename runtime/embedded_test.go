package runtime_test

// The package as a program calls it that goes on while its containers run.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var background = context.Background()

func openRuntime(root string, change func(*runtime.Options)) (*runtime.Runtime, error) {
	client, err := openCells(root)
	if err != nil {
		return nil, err
	}
	o := runtime.Options{Root: root, Kmod: client, Embedded: true}
	if change != nil {
		change(&o)
	}
	return runtime.New(o), nil
}

// embedder has containers that this process makes.
type embedder struct {
	*runtime.Runtime
	t            *testing.T
	root, bundle string
	spec         specs.Spec
}

func newEmbedder(t *testing.T, change func(*runtime.Options)) *embedder {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests make cells and need root")
	}
	dir := t.TempDir()
	e := &embedder{t: t, root: filepath.Join(dir, "state"), bundle: filepath.Join(dir, "bundle")}
	var err error
	if e.Runtime, err = openRuntime(e.root, change); err != nil {
		t.Fatal(err)
	}
	e.do(makeRoot(filepath.Join(e.bundle, "rootfs")))
	e.spec = payloadSpec("sleep")
	e.config()
	t.Cleanup(e.sweep)
	return e
}

// makeRoot makes a root with this program in it.
func makeRoot(rootfs string) error {
	for _, d := range []string{"dev", "tmp", "proc", "usr"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			return err
		}
	}
	for _, l := range systemLinks {
		if err := os.Symlink("usr/"+l, filepath.Join(rootfs, l)); err != nil {
			return err
		}
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(rootfs, "payload"), self, 0o755)
}

func payloadSpec(args ...string) specs.Spec {
	return specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: append([]string{"/payload"}, args...), Env: payloadEnv, Cwd: "/"},
		Mounts:  systemMounts,
	}
}

func writeConfig(bundle string, spec *specs.Spec) error {
	cfg, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), cfg, 0o644)
}

func (e *embedder) config(args ...string) {
	e.t.Helper()
	if len(args) > 0 {
		e.spec.Process.Args = append([]string{"/payload"}, args...)
	}
	e.do(writeConfig(e.bundle, &e.spec))
}

// sweep ends what is left after a failure, and finds fault with it otherwise.
func (e *embedder) sweep() {
	states, err := e.List()
	if err != nil {
		e.t.Error(err)
	}
	for _, s := range states {
		if !e.t.Failed() {
			e.t.Errorf("container left: %s, %s", s.ID, s.Status)
		}
		if err := e.Delete(background, s.ID, true); err != nil {
			e.t.Error(err)
		}
	}
}

func (e *embedder) create(id string, streams *runtime.Streams) *runtime.Process {
	e.t.Helper()
	p, err := e.Create(e.t.Context(), runtime.CreateOptions{ID: id, Bundle: e.bundle, Streams: streams})
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

// do is for calls that have to succeed.
func (e *embedder) do(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func execOptions(id string, streams *runtime.Streams, args ...string) runtime.ExecOptions {
	return runtime.ExecOptions{ID: id, Streams: streams, Process: &oci.Process{
		Args: append([]string{"/payload"}, args...), Env: payloadEnv, Cwd: "/",
	}}
}

// ended waits for the end of a process.
func (e *embedder) ended(p *runtime.Process) syscall.WaitStatus {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	ws, err := p.Wait(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	return ws
}

// pipe gives streams whose output is read.
func pipe(t *testing.T) (s *runtime.Streams, read func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return &runtime.Streams{Out: w, Err: w}, func() string {
		t.Helper()
		_ = w.Close()
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Error(err)
		}
		return string(text)
	}
}

// manyDescriptors opens 200, as a daemon has them: half of them without
// close-on-exec.
func manyDescriptors(t *testing.T) {
	t.Helper()
	for i := range 200 {
		flags := unix.O_RDONLY
		if i%2 == 0 {
			flags |= unix.O_CLOEXEC
		}
		fd, err := unix.Open("/", flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
}

// No descriptor of the caller reaches a process that it makes: while it waits
// to be started, in its program, in exec's, and in hooks of every point.
func TestNoDescriptorReachesProcesses(t *testing.T) {
	e := newEmbedder(t, nil)
	manyDescriptors(t)
	dir := t.TempDir()
	host := func(name string) []specs.Hook {
		return []specs.Hook{{Path: filepath.Join(e.bundle, "rootfs/payload"), Args: []string{"payload", "fds", filepath.Join(dir, name)}, Env: payloadEnv}}
	}
	e.spec.Hooks = &specs.Hooks{
		CreateRuntime: host("createRuntime"), CreateContainer: host("createContainer"), Poststart: host("poststart"), Poststop: host("poststop"),
		StartContainer: []specs.Hook{{Path: "/payload", Args: []string{"payload", "fds", "/tmp/startContainer"}, Env: payloadEnv}},
	}
	e.config("fds")
	out, read := pipe(t)
	p := e.create("one", out)
	// Its own three, the FIFO that start writes to, and the file for an error. It
	// lets go of the link to us after it has said that it is created.
	fds := openDescriptors(t, p.Pid())
	for began := time.Now(); len(fds) > 5 && time.Since(began) < 20*time.Second; fds = openDescriptors(t, p.Pid()) {
		time.Sleep(time.Millisecond)
	}
	if len(fds) != 5 || !slices.Equal(fds[:3], []int{0, 1, 2}) {
		t.Errorf("the created process has the descriptors %v; want 0, 1, 2 and two of ours", fds)
	}
	e.do(e.Start(t.Context(), "one"))
	if ws := e.ended(p); ws != 0 {
		t.Errorf("the program ended with %#x", ws)
	}
	const want = "0 1 2\n"
	if got := read(); got != want {
		t.Errorf("the program has the descriptors %q; want %q", got, want)
	}
	e.do(e.Delete(t.Context(), "one", false))
	e.spec.Hooks = nil
	e.config("sleep")
	e.create("two", &runtime.Streams{})
	e.do(e.Start(t.Context(), "two"))
	out, read = pipe(t)
	q, err := e.Spawn(t.Context(), execOptions("two", out, "fds"))
	e.do(err)
	if ws, got := e.ended(q), read(); ws != 0 || got != want {
		t.Errorf("exec's program has the descriptors %q and ended with %#x; want %q", got, ws, want)
	}
	e.do(e.Delete(t.Context(), "two", true))
	for _, file := range []string{"createRuntime", "createContainer", "poststart", "poststop", filepath.Join(e.bundle, "rootfs/tmp/startContainer")} {
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("hook %s has the descriptors %q, %v; want %q", filepath.Base(file), got, err, want)
		}
	}
}

// Files are the streams, none is the container's null device, and what the
// caller closes afterwards stays open for the program.
func TestStreams(t *testing.T) {
	e := newEmbedder(t, nil)
	e.config("cat")
	in, w, err := os.Pipe()
	e.do(err)
	out, read := pipe(t)
	out.In = in
	p := e.create("cat", out)
	e.do(in.Close())
	e.do(e.Start(t.Context(), "cat"))
	_, err = w.WriteString("through")
	e.do(errors.Join(err, w.Close()))
	if ws, got := e.ended(p), read(); ws != 0 || got != "through" {
		t.Errorf("the program wrote %q and ended with %#x", got, ws)
	}
	e.do(e.Delete(t.Context(), "cat", false))
	p = e.create("null", &runtime.Streams{})
	e.do(e.Start(t.Context(), "null"))
	if ws := e.ended(p); ws != 0 {
		t.Errorf("a program without streams ended with %#x", ws)
	}
	e.do(e.Delete(t.Context(), "null", false))
	dir, err := os.Open("/")
	e.do(err)
	if _, err := e.Create(t.Context(), runtime.CreateOptions{ID: "dir", Bundle: e.bundle, Streams: &runtime.Streams{Err: dir}}); err == nil ||
		!strings.Contains(err.Error(), "descriptor 2 is a directory") {
		t.Errorf("Create with a directory as a stream = %v", err)
	}
	e.do(dir.Close())
}

// No process of either kind gets a directory of the host as a stream, whichever
// of the three it is; nor does one that comes in later.
func TestNoDirectoryAsStream(t *testing.T) {
	e := newEmbedder(t, nil)
	dir, err := os.Open("/")
	e.do(err)
	defer func() { _ = dir.Close() }()
	e.create("up", nil)
	e.do(e.Start(t.Context(), "up"))
	for i, s := range []*runtime.Streams{{In: dir}, {Out: dir}, {Err: dir}} {
		want := fmt.Sprintf("descriptor %d is a directory", i)
		if _, err := e.Create(t.Context(), runtime.CreateOptions{ID: "dir", Bundle: e.bundle, Streams: s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Create = %v; want %q", err, want)
		}
		if _, err := e.Spawn(t.Context(), execOptions("up", s, "sleep")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Spawn = %v; want %q", err, want)
		}
	}
	e.do(e.Delete(t.Context(), "up", true))
}

// The terminal of both kinds of process goes to the function, which reads it.
func TestTerminal(t *testing.T) {
	e := newEmbedder(t, nil)
	e.spec.Process.Terminal, e.spec.Process.ConsoleSize = true, &specs.Box{Height: 20, Width: 70}
	e.config("tty")
	var master *os.File
	take := func(m *os.File) error { master = m; return nil }
	talk := func(p *runtime.Process) {
		t.Helper()
		e.do(master.SetDeadline(time.Now().Add(time.Minute))) // it can be cut off
		_, err := master.WriteString("hello\n")
		e.do(err)
		for s := bufio.NewScanner(master); s.Scan(); {
			if strings.Contains(s.Text(), "hello on 70x20") {
				break
			}
		}
		if ws := e.ended(p); ws != 0 {
			t.Errorf("a program with a terminal ended with %#x", ws)
		}
		e.do(master.Close())
	}
	p, err := e.Create(t.Context(), runtime.CreateOptions{ID: "one", Bundle: e.bundle, Terminal: take})
	e.do(err)
	e.do(e.Start(t.Context(), "one"))
	talk(p)
	e.do(e.Delete(t.Context(), "one", false))
	e.spec.Process.Terminal, e.spec.Process.ConsoleSize = false, nil
	e.config("sleep")
	e.create("two", &runtime.Streams{})
	e.do(e.Start(t.Context(), "two"))
	o := execOptions("two", nil, "tty")
	o.Process.Terminal, o.Process.ConsoleSize, o.Terminal = true, &oci.Size{Height: 20, Width: 70}, take
	q, err := e.Spawn(t.Context(), o)
	e.do(err)
	talk(q)
	refused := errors.New("no terminal for me")
	o.Terminal = func(m *os.File) error { return errors.Join(refused, m.Close()) }
	if _, err := e.Spawn(t.Context(), o); !errors.Is(err, refused) {
		t.Errorf("Spawn with a function that fails = %v; want its error", err)
	}
	if pids, err := e.Processes("two"); err != nil || len(pids) != 1 {
		t.Errorf("processes %v, %v; want the first one alone", pids, err)
	}
	e.do(e.Delete(t.Context(), "two", true))
}

// Many may wait for a process, for as long as they like, and it is told the
// same to all. Signals go to it as long as it is there.
func TestProcess(t *testing.T) {
	e := newEmbedder(t, nil)
	p := e.create("one", &runtime.Streams{})
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v; want the context's end", err)
	}
	e.do(e.Start(t.Context(), "one"))
	q, err := e.Spawn(t.Context(), execOptions("one", &runtime.Streams{}, "exit", "3"))
	e.do(err)
	if ws := e.ended(q); ws.ExitStatus() != 3 {
		t.Errorf("exec ended with %#x; want status 3", ws)
	}
	if err := q.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal after the end = %v; want os.ErrProcessDone", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if ws, err := p.Wait(t.Context()); err != nil || ws.Signal() != syscall.SIGKILL {
				t.Errorf("Wait = %#x, %v; want SIGKILL", ws, err)
			}
		})
	}
	e.do(p.Signal(syscall.SIGKILL))
	all.Wait()
	if ws := e.ended(p); ws.Signal() != syscall.SIGKILL {
		t.Errorf("Wait after the end = %#x; want SIGKILL", ws)
	}
	if _, err := e.Spawn(t.Context(), execOptions("one", &runtime.Streams{}, "exit", "0")); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("Spawn in a stopped container = %v; want ErrNotRunning", err)
	}
	e.do(e.Delete(t.Context(), "one", false))
	if _, err := e.Spawn(t.Context(), execOptions("one", nil, "exit", "0")); !errors.Is(err, runtime.ErrNotExist) {
		t.Errorf("Spawn in no container = %v; want ErrNotExist", err)
	}
}

// What the first process has left is killed after its end, nobody being told of
// an error when it has left nobody.
func TestKillAllOfStopped(t *testing.T) {
	e := newEmbedder(t, nil)
	e.config("leave")
	p := e.create("one", &runtime.Streams{})
	e.do(e.Start(t.Context(), "one"))
	if ws := e.ended(p); ws != 0 {
		t.Errorf("the first process ended with %#x", ws)
	}
	if err := e.Kill("one", syscall.SIGKILL, false); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("Kill = %v; want ErrNotRunning", err)
	}
	pids, err := e.Processes("one")
	if err != nil || len(pids) != leftByFirst {
		t.Errorf("the first process has left %v, %v; want %d", pids, err, leftByFirst)
	}
	e.do(e.Kill("one", syscall.SIGKILL, true))
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		pids, err := e.Processes("one")
		e.do(err)
		if len(pids) == 0 {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("processes after Kill of all: %v", pids)
		}
	}
	e.do(e.Delete(t.Context(), "one", false))
}

// The limit of open files is the one that the embedder gives, unless the
// configuration has one.
func TestNofile(t *testing.T) {
	e := newEmbedder(t, func(o *runtime.Options) { o.Nofile = &oci.Rlimit{Soft: 100, Hard: 300} })
	for _, c := range []struct {
		config []specs.POSIXRlimit
		want   string
	}{
		{nil, "100 300\n"}, {[]specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 90, Hard: 200}}, "90 200\n"},
	} {
		e.spec.Process.Rlimits = c.config
		e.config("limit")
		out, read := pipe(t)
		p := e.create("one", out)
		e.do(e.Start(t.Context(), "one"))
		e.ended(p)
		if got := read(); got != c.want {
			t.Errorf("with %v: the limit is %q; want %q", c.config, got, c.want)
		}
		e.do(e.Delete(t.Context(), "one", false))
	}
}

// A field is warned of once, by whatever container and whatever program.
func TestWarnedOnce(t *testing.T) {
	var text bytes.Buffer
	out := log.L.Logger.Out
	log.L.Logger.SetOutput(&text)
	defer log.L.Logger.SetOutput(out)
	e := newEmbedder(t, nil)
	e.spec.Process.ApparmorProfile = "some"
	e.spec.Linux = &specs.Linux{MountLabel: "label"}
	e.config()
	for _, id := range []string{"one", "two"} {
		e.create(id, &runtime.Streams{})
		e.do(e.Delete(t.Context(), id, true))
		var err error
		e.Runtime, err = openRuntime(e.root, nil)
		e.do(err)
	}
	if n := strings.Count(text.String(), "process.apparmorProfile: "); n != 1 {
		t.Errorf("warned %d times:\n%s", n, text.String())
	}
}

// Features are what a process is compiled for.
func TestFeatures(t *testing.T) {
	e := newEmbedder(t, nil)
	if f, err := e.Features(); err != nil || f.Backend == "" {
		t.Errorf("Features = %+v, %v", f, err)
	}
}

var _ kmod.Features // as the signature has it

// own are children of the embedder's, as os/exec makes them: each must be told of
// its own end.
func own(t *testing.T, stop <-chan struct{}) (done <-chan int) {
	t.Helper()
	ended := make(chan int, 1)
	go func() {
		n := 0
		defer func() { ended <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			cmd := exec.Command(os.Args[0], "exit", "7")
			cmd.Env = payloadEnv
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 7 {
				t.Errorf("a child of our own: %v, %v; want status 7", err, cmd.ProcessState)
			}
		}
	}()
	return ended
}

// The process that calls stays what it is: umask, directory, root, namespaces.
// Files that it makes meanwhile have the mode that they would have.
func TestCallerIsNotChanged(t *testing.T) {
	e := newEmbedder(t, nil)
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	before := whatWeAre(t)
	stop, watched := make(chan struct{}), make(chan struct{})
	dir := t.TempDir()
	go func() {
		defer close(watched)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := filepath.Join(dir, fmt.Sprint(i))
			f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o666)
			if err == nil {
				fi, serr := f.Stat()
				if err = errors.Join(serr, f.Close(), os.Remove(name)); err == nil && fi.Mode() != 0o640 {
					err = fmt.Errorf("a file of mode %v", fi.Mode())
				}
			}
			if now, werr := os.Getwd(); werr != nil || now != before.cwd {
				err = errors.Join(err, fmt.Errorf("the directory %q, %w", now, werr))
			}
			if err != nil {
				t.Errorf("while a container is made: %v", err)
				return
			}
		}
	}()
	for range several {
		p := e.create("one", &runtime.Streams{})
		e.do(e.Start(t.Context(), "one"))
		q, err := e.Spawn(t.Context(), execOptions("one", &runtime.Streams{}, "exit", "0"))
		e.do(err)
		e.ended(q)
		e.do(e.Delete(t.Context(), "one", true))
		e.ended(p)
	}
	close(stop)
	<-watched
	if now := whatWeAre(t); now != before {
		t.Errorf("we are %+v; want %+v", now, before)
	}
}

// Many at once leave nothing, and take nobody's end away.
func TestManyAtOnce(t *testing.T) {
	const atOnce = 8
	e := newEmbedder(t, nil)
	life := func(id string) {
		fail := func(err error) {
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		p, err := e.Create(t.Context(), runtime.CreateOptions{ID: id, Bundle: e.bundle, Streams: &runtime.Streams{}})
		if err != nil {
			fail(err)
			return
		}
		fail(e.Start(t.Context(), id))
		q, err := e.Spawn(t.Context(), execOptions(id, &runtime.Streams{}, "exit", "5"))
		fail(err)
		if err == nil {
			if ws, err := q.Wait(t.Context()); err != nil || ws.ExitStatus() != 5 {
				t.Errorf("%s: exec ended with %#x, %v; want status 5", id, ws, err)
			}
		}
		fail(e.Kill(id, syscall.SIGKILL, true))
		if ws, err := p.Wait(t.Context()); err != nil || ws.Signal() != syscall.SIGKILL {
			t.Errorf("%s: ended with %#x, %v; want SIGKILL", id, ws, err)
		}
		fail(e.Delete(t.Context(), id, true))
	}
	life("first") // what is opened once
	stop := make(chan struct{})
	others := own(t, stop)
	fds := len(openDescriptors(t, os.Getpid()))
	ids := make(chan string)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for id := range ids {
				life(id)
			}
		})
	}
	for i := range lives {
		ids <- fmt.Sprintf("c%d", i)
	}
	close(ids)
	all.Wait()
	if n := threads(t); n > 40+4*atOnce {
		t.Errorf("%d threads", n)
	}
	close(stop)
	if n := <-others; n == 0 {
		t.Error("no child of our own ended meanwhile")
	}
	if now := len(openDescriptors(t, os.Getpid())); now > fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// A context that ends takes back what Create has done, whatever it waits for.
func TestContextEndsCreate(t *testing.T) {
	e := newEmbedder(t, nil)
	e.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{
		{Path: filepath.Join(e.bundle, "rootfs/payload"), Args: []string{"payload", "sleep"}, Env: payloadEnv},
	}}
	e.config()
	why := errors.New("the caller has no more time")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
	defer cancel()
	if _, err := e.Create(ctx, runtime.CreateOptions{ID: "one", Bundle: e.bundle, Streams: &runtime.Streams{}}); !errors.Is(err, why) {
		t.Errorf("Create = %v; want the context's cause", err)
	}
	if _, err := e.State("one"); !errors.Is(err, runtime.ErrNotExist) {
		t.Errorf("State = %v; want ErrNotExist", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// What another one has made, as a daemon that is started anew finds it, is there
// to be worked on; and no thread waits for a process that runs.
func TestFoundAgain(t *testing.T) {
	e := newEmbedder(t, nil)
	before := threads(t)
	for i := range several {
		id := fmt.Sprintf("c%d", i)
		p := e.create(id, &runtime.Streams{})
		go func() { _, _ = p.Wait(background) }()
		e.do(e.Start(t.Context(), id))
	}
	if now := threads(t); now >= before+several {
		t.Errorf("%d threads before %d containers were made, %d after", before, several, now)
	}
	again, err := openRuntime(e.root, nil)
	e.do(err)
	states, err := again.List()
	e.do(err)
	for _, s := range states {
		q, err := again.Spawn(t.Context(), execOptions(s.ID, &runtime.Streams{}, "exit", "6"))
		e.do(err)
		if ws := e.ended(q); ws.ExitStatus() != 6 {
			t.Errorf("%s: exec ended with %#x; want 6", s.ID, ws)
		}
		e.do(again.Kill(s.ID, syscall.SIGKILL, true))
		e.do(again.Delete(t.Context(), s.ID, true))
	}
	if len(states) != several {
		t.Errorf("found %d containers; want %d", len(states), several)
	}
}
