package emulator

// Who is a member, and whom a signal reaches.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// bystander is a process of the host, in a cgroup if one is given.
func bystander(t *testing.T, cgroup string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"probe", "sleep"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	if cgroup != "" {
		into(t, cgroup, cmd)
	}
	return cmd
}

func into(t *testing.T, cgroup string, cmd *exec.Cmd) {
	t.Helper()
	if err := writeFile(filepath.Join(cgroup, "cgroup.procs"), 0, strconv.AppendInt(nil, int64(cmd.Process.Pid), 10)); err != nil {
		t.Fatal(err)
	}
}

// endedBy waits for a process, and gives the signal that it ended by.
func endedBy(cmd *exec.Cmd) syscall.Signal {
	_ = cmd.Wait()
	return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// A child is in the cell's cgroup before it is in its namespaces, or before it is
// known to be the first one: it is a member as far as ends go.
func TestWhoIsOnTheWayIn(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if x.Cgroup == "" {
		t.Fatal("this machine lets nobody make cgroups")
	}
	a, b := bystander(t, ""), bystander(t, "")
	pids := []int{a.Process.Pid, b.Process.Pid}
	if pids[0] > pids[1] {
		a, b = b, a
		slices.Reverse(pids)
	}
	into(t, x.Cgroup, b)
	into(t, x.Cgroup, a)
	if got, err := h.Processes(id); err != nil || !slices.Equal(got, pids) {
		t.Errorf("Processes = %v, %v; want %v", got, err, pids)
	}
	if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Destroy = %v; want ErrBusy", err)
	}
	if err := h.Kill(id, 99); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Kill by a signal that there is not = %v; want EINVAL", err)
	}
	if err := h.Kill(id, int(unix.SIGTERM)); err != nil {
		t.Error(err)
	}
	for _, cmd := range []*exec.Cmd{a, b} {
		if sig := endedBy(cmd); sig != unix.SIGTERM {
			t.Errorf("ended by %v; want SIGTERM", sig)
		}
	}
	first := h.start(id, "wait")
	first.line()
	if x, err = h.lookup(id); err != nil {
		t.Fatal(err)
	}
	// Who is not in the pid namespace is no member, whatever list it was on.
	got := make(chan os.Signal, 2)
	signal.Notify(got, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(got)
	self, err := identify(os.Getpid())
	if err == nil {
		err = x.signalMember(self, unix.SIGUSR1)
	}
	if err := errors.Join(err, unix.Kill(self.Pid, unix.SIGUSR2)); err != nil {
		t.Error(err)
	}
	if sig := <-got; sig != unix.SIGUSR2 {
		t.Errorf("this process got %v, which was for members", sig)
	}
	c := bystander(t, x.Cgroup)
	if err := h.Kill(id, int(unix.SIGTERM)); err != nil { // which the first process ignores
		t.Error(err)
	}
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Error(err)
	}
	if sig := endedBy(c); sig != unix.SIGKILL {
		t.Errorf("one who had not got to the pid namespace ended by %v; want SIGKILL", sig)
	}
	first.end()
}

// A cell whose cgroup has a process in it keeps all that it has, though its first
// process has ended.
func TestDestroyOfACgroupInUse(t *testing.T) {
	h := newHost(t)
	ports := []kmod.Port{{Port: 80}}
	id := h.cell(kmod.Spec{Ports: ports})
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	h.start(id, "exit=1").output()
	cmd := bystander(t, x.Cgroup)
	if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Destroy = %v; want ErrBusy", err)
	}
	if _, err := h.Create(kmod.Spec{Name: "other", Root: h.rootfs, Ports: ports}); !errors.Is(err, kmod.ErrPortInUse) {
		t.Errorf("Create with its port = %v; want ErrPortInUse", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	h.end(id)
}

// Without a cgroup the members are those of the pid namespace.
func TestMembersWithoutCgroup(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	cgroup := ""
	if err := h.change(id, func(x *cell) error { cgroup, x.Cgroup = x.Cgroup, ""; return nil }); err != nil {
		t.Fatal(err)
	}
	first := h.start(id, "fork", "wait")
	first.line()
	first.line()
	later := h.start(id, "wait")
	later.line()
	pids, err := h.Processes(id)
	if err != nil || len(pids) != 3 || !slices.Contains(pids, first.pid) || !slices.Contains(pids, later.pid) || !slices.IsSorted(pids) {
		t.Errorf("Processes = %v, %v; want 3 with %d and %d", pids, err, first.pid, later.pid)
	}
	if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Destroy with members = %v; want ErrBusy", err)
	}
	states := func() (s string) {
		for _, pid := range pids {
			st, err := readStat(pid)
			if err != nil {
				t.Error(err)
			}
			s += string(st.state)
		}
		return s
	}
	if err := h.Pause(id); err != nil || states() != "TTT" {
		t.Errorf("Pause = %v, states %s; want TTT", err, states())
	}
	if err := h.Resume(id); err != nil || strings.Contains(states(), "T") {
		t.Errorf("Resume = %v, states %s; want none stopped", err, states())
	}
	if err := h.Kill(id, int(unix.SIGTERM)); err != nil {
		t.Error(err)
	}
	if ws := later.end(); ws.Signal() != unix.SIGTERM {
		t.Errorf("a later entry ended by %v; want SIGTERM", ws)
	}
	last := h.start(id, "wait")
	last.line()
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if dying, err := x.dying(); dying || err != nil {
		t.Errorf("dying of a cell that lives = %v, %v", dying, err)
	}
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Error(err)
	}
	// The first process waits until somebody has waited for the last one.
	if err := eventually(func() (bool, error) { return x.dying() }); err != nil {
		t.Errorf("dying of a cell that was killed: %v", err)
	}
	last.end()
	if ws := first.end(); ws.Signal() != unix.SIGKILL {
		t.Errorf("the first process ended by %v; want SIGKILL", ws)
	}
	if err := h.change(id, func(x *cell) error { x.Cgroup = cgroup; return nil }); err != nil {
		t.Error(err)
	}
}

// A cgroup that cannot be read is not one without members.
func TestMembersOfAnOddCgroup(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("odd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := &cell{Cgroup: dir}
	if pids, err := x.processes(); err == nil {
		t.Errorf("processes = %v; want an error", pids)
	}
}

// A pid that was given again is not the process that had it.
func TestAnotherProcessOfAPid(t *testing.T) {
	p := process{Pid: os.Getpid(), Start: 1}
	x := &cell{First: p}
	if alive, err := p.alive(); alive || err != nil {
		t.Errorf("alive = %v, %v", alive, err)
	}
	if fd, err := p.open(0); !errors.Is(err, errGone) {
		t.Errorf("open = %d, %v; want errGone", fd, err)
	}
	if pids, err := x.processes(); len(pids) > 0 || err != nil {
		t.Errorf("processes = %v, %v; want none", pids, err)
	}
	if busy, err := x.busy(); busy || err != nil {
		t.Errorf("busy = %v, %v", busy, err)
	}
	if err := x.signalMember(p, unix.SIGKILL); err != nil {
		t.Errorf("signalMember = %v; want nothing done", err)
	}
	if err := x.killAll(); err != nil {
		t.Errorf("killAll = %v; want nothing done", err)
	}
}

// One that runs, a zombie, and one that was reaped.
func TestProcessThatEnds(t *testing.T) {
	cmd := bystander(t, "")
	pid := cmd.Process.Pid
	p, err := identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := p.open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	look := func() string {
		alive, err := p.alive()
		ended, perr := poll(fd, 0)
		_, serr := p.stat()
		return fmt.Sprint(alive, ended, err, perr, errors.Is(serr, errGone))
	}
	if got := look(); got != "true false <nil> <nil> false" {
		t.Errorf("of a running process: %s", got)
	}
	if err := send(fd, 99); !errors.Is(err, unix.EINVAL) {
		t.Errorf("send of a signal that there is not = %v; want EINVAL", err)
	}
	if err := send(fd, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if ended, err := poll(fd, time.Minute); !ended || err != nil {
		t.Fatalf("poll = %v, %v", ended, err)
	}
	if got := look(); got != "false true <nil> <nil> false" {
		t.Errorf("of a zombie: %s", got)
	}
	_ = cmd.Wait()
	if got := look(); got != "false true <nil> <nil> true" {
		t.Errorf("of one that was reaped: %s", got)
	}
	if err := send(fd, unix.SIGKILL); err != nil {
		t.Errorf("send to one that was reaped = %v", err)
	}
	if ns := pidNamespace(pid); ns != 0 {
		t.Errorf("pid namespace of one that was reaped: %d", ns)
	}
	for err, want := range map[error]bool{unix.ESRCH: true, unix.ENOENT: true, unix.EACCES: false} {
		if got := reaped(&os.PathError{Err: err}); got != want {
			t.Errorf("reaped(%v) = %v", err, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	line := func(change func(f []string)) string {
		f := slices.Repeat([]string{"1"}, 50) // from the third to the 52nd
		f[0] = "S"
		change(f)
		return "42 (a) b\n) " + strings.Join(f, " ") + "\n"
	}
	set := func(field int, s string) func([]string) { return func(f []string) { f[field-3] = s } }
	got, err := parseStat([]byte(line(func(f []string) { f[9-3], f[20-3], f[22-3], f[52-3] = "4", "2", "77", "9" })))
	if want := (stat{state: 'S', flags: 4, threads: 2, start: 77, exit: 9}); got != want || err != nil {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
	for _, s := range []string{
		"", strings.ReplaceAll(line(set(3, "S"))[1:], ")", ""), "42 (a) S" + strings.Repeat(" 1", 48),
		line(set(3, "SS")), line(set(9, "x")), line(set(20, "x")), line(set(22, "x")), line(set(52, "x")),
	} {
		if got, err := parseStat([]byte(s)); err == nil {
			t.Errorf("parseStat(%q) = %+v; want an error", s, got)
		}
	}
	for s, want := range map[stat]string{
		{state: 'S', threads: 1}:             "false false",
		{state: 'S', threads: 1, flags: 0x4}: "false true",
		{state: 'Z', threads: 2}:             "false false", // its main thread has ended
		{state: 'Z', threads: 1}:             "true true",
		{state: 'Z'}:                         "true true",
		{state: 'X', threads: 2}:             "true true",
	} {
		if got := fmt.Sprint(s.dead(), s.dying()); got != want {
			t.Errorf("%c with %d threads, flags %#x: dead and dying %s; want %s", s.state, s.threads, s.flags, got, want)
		}
	}
}

func TestSinceBoot(t *testing.T) {
	a, err := sinceBoot()
	b, berr := sinceBoot()
	if a <= 0 || b < a || errors.Join(err, berr) != nil {
		t.Errorf("sinceBoot = %v, then %v, %v", a, b, errors.Join(err, berr))
	}
}
