package emulator

// The tests' host: cells with real processes in them. The processes are this
// test binary itself, which runs the probes of probe_linux_test.go.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/owned"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// The main goroutine keeps the main thread, whose mounts /proc/self shows: no
// cell may be entered on it.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[0] == "probe" {
		os.Exit(probe(os.Args[1:]))
	}
	if os.Args[0] == "churn" {
		churn(os.Args[1], os.Args[2], os.Args[3])
	}
	if os.Args[0] == "rootless" {
		os.Exit(rootless(os.Args[1:]))
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "the emulator's tests make namespaces and cgroups: run them as root")
		os.Exit(1)
	}
	if signal.Ignored(unix.SIGINT) { // by a shell, for what runs in its background: a test sends it
		signal.Notify(make(chan os.Signal, 1), unix.SIGINT)
	}
	code := m.Run()
	// Each host checks its own mounts and cgroups.
	if left := owned.Processes(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes were left behind: %v\n", left)
		code = 1
	}
	os.Exit(code)
}

// host is a state root with a client, and a root directory for its cells.
type host struct {
	*Client
	t      *testing.T
	rootfs string
	chroot bool   // its cells' roots are no mounts' roots
	probe  string // where its cells have the program
}

func newHost(t *testing.T) *host {
	t.Helper()
	return newHostAs(t, "")
}

func newHostAs(t *testing.T, m Module) *host {
	t.Helper()
	c, err := OpenAs(t.TempDir(), m)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Client: c.(*Client), t: t, rootfs: t.TempDir(), probe: "/probe"}
	for _, dir := range []string{"proc", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(h.rootfs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(h.rootfs, "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "/proc/self/exe", filepath.Join(h.rootfs, "probe"))
	t.Cleanup(h.sweep)
	return h
}

// can is what the host can do.
func (h *host) can() kmod.Features {
	h.t.Helper()
	f, err := h.Features()
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// sweep ends every cell and fails the test if something stays.
func (h *host) sweep() {
	cells, err := h.List()
	if err != nil {
		h.t.Errorf("List: %v", err)
	}
	for _, x := range cells {
		if err := h.Kill(x.ID, int(unix.SIGKILL)); err != nil {
			h.t.Errorf("Kill(%d): %v", x.ID, err)
		}
		if err := h.destroyKilled(x.ID); err != nil {
			h.t.Errorf("Destroy(%d): %v", x.ID, err)
		}
	}
	if left := owned.Mounts(h.rootfs); len(left) > 0 {
		h.t.Errorf("still mounted: %q", left)
	}
	for _, mount := range []string{cgroupV2(), "/sys/fs/cgroup/pids"} {
		dir := filepath.Join(mount, cgroupName(h.root))
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			h.t.Errorf("cgroup %s is still there: %v", dir, err)
		}
	}
}

// cell creates a cell of the given spec with a root and, if need be, a name.
func (h *host) cell(s kmod.Spec) kmod.ID {
	h.t.Helper()
	s.Root = h.rootfs
	if s.Name == "" {
		s.Name = "cell"
	}
	id, err := h.Create(s)
	if err != nil {
		h.t.Fatalf("Create: %v", err)
	}
	return id
}

// unenter makes a cell one that nobody has entered.
func (h *host) unenter(id kmod.ID) {
	h.t.Helper()
	if err := h.change(id, func(x *cell) error { x.First = process{}; return nil }); err != nil {
		h.t.Error(err)
	}
}

// child is a process in a cell. Reading out waits for its output's end.
type child struct {
	t   *testing.T
	pid int
	in  *os.File // its standard input
	out *os.File
}

// start runs a probe as a new member. The first one gets the cell's mounts.
func (h *host) start(id kmod.ID, args ...string) *child {
	h.t.Helper()
	c, err := h.enter(id, 0, args...)
	if err != nil {
		h.t.Fatalf("start %v: %v", args, err)
	}
	return c
}

func (h *host) enter(id kmod.ID, uid int, args ...string) (*child, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = inR.Close(), outW.Close() }()
	x, err := h.lookup(id)
	if err != nil {
		return nil, err
	}
	type result struct {
		pid int
		err error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		pid, err := h.fork(id, x.First.Pid == 0, uid, [3]*os.File{inR, outW, outW}, args)
		done <- result{pid, err}
	}()
	r := <-done
	if r.err != nil {
		_, _ = inW.Close(), outR.Close()
		return nil, r.err
	}
	if x.First.Pid == 0 {
		if err := h.Entered(id, r.pid); err != nil {
			return nil, err
		}
	}
	c := &child{t: h.t, pid: r.pid, in: inW, out: outR}
	h.t.Cleanup(func() {
		_, _ = inW.Close(), outR.Close()
		_ = unix.Kill(r.pid, unix.SIGKILL)
		_, _ = syscall.Wait4(r.pid, nil, 0, nil)
	})
	return c, nil
}

func (h *host) fork(id kmod.ID, first bool, uid int, stdio [3]*os.File, args []string) (int, error) {
	e, err := h.Enter(id)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	if err := e.Thread(); err != nil {
		return 0, err
	}
	if first && h.probe == "/probe" {
		if err := h.mounts(); err != nil {
			return 0, err
		}
	}
	p := &stage.Program{Fork: e.Fork, ExitCode: 99}
	for i, f := range stdio {
		s := stage.Sys("dup", unix.SYS_FCNTL, f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		s.Save = uint8(i + 1)
		p.Steps = append(p.Steps, s)
	}
	for i := range stdio {
		s := stage.Sys("dup", unix.SYS_DUP3, uintptr(i+1), uintptr(i), 0)
		s.From[0] = stage.Reg
		p.Steps = append(p.Steps, s)
	}
	if first {
		proc, err := mountProc()
		if err != nil {
			return 0, err
		}
		p.Steps = append(p.Steps, proc)
	}
	p.Steps = append(p.Steps, e.Steps...)
	p.Steps = append(p.Steps, e.Seal...)
	if uid != 0 {
		p.Steps = append(p.Steps, stage.Sys("setgroups", unix.SYS_SETGROUPS, 0, 0),
			stage.Sys("setgid", unix.SYS_SETGID, uintptr(uid)), stage.Sys("setuid", unix.SYS_SETUID, uintptr(uid)))
	} else {
		p.Steps = append(p.Steps, e.Lower...)
	}
	p.Steps = append(p.Steps, e.Birth...)
	x, err := stage.Exec(h.probe, append([]string{"probe"}, args...), []string{"GOMAXPROCS=1", "HOME=/"})
	if err != nil {
		return 0, err
	}
	p.Steps = append(p.Steps, x)
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	p.Report[0] = int(w.Fd())
	pid, err := p.Start()
	_ = w.Close()
	if err != nil {
		return 0, err
	}
	b := make([]byte, stage.RecordSize)
	n, _ := r.Read(b)
	if pid, err = p.Settle(pid); err != nil {
		return 0, err
	}
	if n > 0 {
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		rec, err := stage.ParseRecord(b[:n])
		return 0, errors.Join(err, rec.Err(p.Names()))
	}
	return pid, nil
}

// mounts makes the calling thread's root the cell's, with a few devices.
func (h *host) mounts() error {
	if err := unix.Mount(h.rootfs, h.rootfs, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	dev := filepath.Join(h.rootfs, "dev")
	if err := unix.Mount("tmpfs", dev, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "urandom": 9} {
		node := filepath.Join(dev, name)
		if err := unix.Mknod(node, unix.S_IFCHR, int(unix.Mkdev(1, minor))); err != nil {
			return err
		}
		if err := unix.Chmod(node, 0o666); err != nil {
			return err
		}
	}
	if err := unix.Chdir(h.rootfs); err != nil {
		return err
	}
	if h.chroot {
		return unix.Chroot(".")
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	return unix.Unmount(".", unix.MNT_DETACH)
}

// mountProc is a step because a new procfs shows its mounter's pid namespace.
func mountProc() (stage.Step, error) {
	var p [2]*byte
	for i, s := range []string{"proc", "/proc"} {
		b, err := unix.BytePtrFromString(s)
		if err != nil {
			return stage.Step{}, err
		}
		p[i] = b
	}
	s := stage.Sys("mount /proc", unix.SYS_MOUNT, address(p[0]), address(p[1]), address(p[0]), 0, 0)
	s.Keep = []any{p[0], p[1]}
	return s, nil
}

// line reads one line of the child's output.
func (c *child) line() string {
	c.t.Helper()
	var b []byte
	for one := make([]byte, 1); ; {
		n, err := c.out.Read(one)
		if n == 0 || err != nil {
			return string(b)
		}
		if one[0] == '\n' {
			return string(b)
		}
		b = append(b, one[0])
	}
}

// output reads everything and reaps the child.
func (c *child) output() (string, syscall.WaitStatus) {
	c.t.Helper()
	_ = c.in.Close()
	b, err := io.ReadAll(c.out)
	if err != nil {
		c.t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(c.pid, &ws, 0, nil); err != nil {
		c.t.Fatal(err)
	}
	return string(b), ws
}

// end reaps a killed child, or fails after a while.
func (c *child) end() syscall.WaitStatus {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	var ws syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(c.pid, &ws, unix.WNOHANG, nil)
		if pid == c.pid || err != nil {
			return ws
		}
		if ctx.Err() != nil {
			c.t.Fatalf("process %d does not end", c.pid)
		}
		time.Sleep(time.Millisecond)
	}
}

func address(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }
