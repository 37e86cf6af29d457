package emulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// thisRun is no other run's of these tests, whose process may have the same id
// in another namespace.
var thisRun = rand.Uint64()

// placed makes a path for a cell that this test alone uses.
func placed(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("/runcell-test-%x/%s", thisRun, t.Name())
}

// spotsOf are all directories of a path, in every hierarchy that a cell at
// this path is in.
func spotsOf(path string) []spot {
	x := &cell{Spec: kmod.Spec{CgroupsPath: path}}
	list := x.spots()
	if mount := cgroupV2(); mount != "" && usable(mount) == nil {
		list = append(list, spot{mount, filepath.Join(mount, path)})
	}
	return list
}

// gone fails unless nothing of the path is left, its parents included.
func gone(t *testing.T, path string) {
	t.Helper()
	for _, s := range spotsOf(path) {
		for dir := s.dir; dir != s.mount; dir = filepath.Dir(dir) {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", dir, err)
			}
		}
	}
}

func TestCgroupsPath(t *testing.T) {
	h, path := newHost(t), placed(t)
	if len(spotsOf(path)) == 0 {
		t.Fatal("this machine lets nobody make cgroups")
	}
	id := h.cell(kmod.Spec{CgroupsPath: path, MaxProcesses: 30})
	first := h.start(id, "wait")
	first.line()
	second := h.start(id, "wait")
	second.line()
	for _, s := range spotsOf(path) {
		pids, err := cgroupProcesses(s.dir)
		if err != nil || len(pids) != 2 {
			t.Errorf("%s has processes %v, %v; want %d and %d", s.dir, pids, err, first.pid, second.pid)
		}
	}
	// What tools read: the path in the hierarchies that count.
	b, err := os.ReadFile(procPath(second.pid, "cgroup"))
	if n := strings.Count(string(b), ":"+path+"\n"); err != nil || n != len(spotsOf(path)) {
		t.Errorf("/proc/PID/cgroup, %v:\n%swant %s %d times", err, b, path, len(spotsOf(path)))
	}
	for _, name := range []string{"cpuacct", "memory", "pids", "blkio"} {
		mount := filepath.Join("/sys/fs/cgroup", name)
		if isV1(mount) && usable(mount) == nil {
			if _, err := os.Stat(filepath.Join(mount, path)); err != nil {
				t.Errorf("who counts by %s does not find the cell: %v", name, err)
			}
		}
	}
	if err := h.Pause(id); err != nil {
		t.Error(err)
	}
	if err := h.Resume(id); err != nil {
		t.Error(err)
	}
	if h.can().MaxProcesses.Level == kmod.Enforced {
		if out, _ := h.start(id, "bomb").output(); out != "bomb EAGAIN\n" {
			t.Errorf("fork without end = %q; want EAGAIN", out)
		}
	}
	// Its parent is outside of the cell, so nobody in the cell reaps it.
	if err := unix.Kill(second.pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	second.end()
	h.end(id)
	gone(t, path)
}

// What others have in a cgroup must not be killed or frozen with a cell, so
// their cgroups are refused, and left as they are.
func TestCgroupsPathOfOthers(t *testing.T) {
	h, path := newHost(t), placed(t)
	first := h.cell(kmod.Spec{Name: "first", CgroupsPath: path + "/a"})
	for _, other := range []string{path + "/a", path + "/a/b", path, filepath.Dir(path)} {
		if _, err := h.Create(kmod.Spec{Name: "other", Root: h.rootfs, CgroupsPath: other}); !errors.Is(err, kmod.ErrBusy) {
			t.Errorf("Create at %s beside a cell at %s/a = %v; want ErrBusy", other, path, err)
		}
	}
	second := h.cell(kmod.Spec{Name: "second", CgroupsPath: path + "/b"})
	for _, id := range []kmod.ID{first, second} {
		if err := h.Destroy(id); err != nil {
			t.Error(err)
		}
	}
	gone(t, path)

	foreign := spotsOf(path)[0]
	leaf := filepath.Join(foreign.dir, "of-others")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Create(kmod.Spec{Name: "third", Root: h.rootfs, CgroupsPath: path}); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Create above a foreign cgroup = %v; want ErrBusy", err)
	}
	// Beside them is room, and directories that others made stay.
	if err := h.Destroy(h.cell(kmod.Spec{Name: "fourth", CgroupsPath: path + "/d"})); err != nil {
		t.Error(err)
	}
	for dir := leaf; dir != foreign.mount; dir = filepath.Dir(dir) {
		if err := unix.Rmdir(dir); err != nil {
			t.Errorf("remove the foreign cgroup: %v", err)
		}
	}
	gone(t, path)
}

// Whoever is killed while he makes the directories leaves some of them, and the
// cell's end finds those wherever he stopped.
func TestHalfMadeCgroups(t *testing.T) {
	path := placed(t) + "/a/b"
	for n := range strings.Count(path, "/") {
		for _, s := range spotsOf(path) {
			made := s.dir
			for range n {
				made = filepath.Dir(made)
			}
			if err := makeCgroup(s.mount, made); err != nil {
				t.Fatal(err)
			}
			if err := removeCgroup(s.dir); err != nil {
				t.Error(err)
			}
		}
		gone(t, path)
	}
}

// Reserved ports hold among cells wherever their cgroups are, and whichever
// came first.
func TestPortsWithCgroupsPaths(t *testing.T) {
	h, path := withPorts(t), placed(t)
	port := freePort(t)
	early := h.running(kmod.Spec{Name: "early", CgroupsPath: path + "/early"})
	owner := h.running(kmod.Spec{Name: "owner", CgroupsPath: path + "/owner", Ports: []kmod.Port{{Port: port}}})
	late := h.running(kmod.Spec{Name: "late", CgroupsPath: path + "/late"})
	plain := h.running(kmod.Spec{Name: "plain"})
	at := "tcp=0.0.0.0:" + strconv.Itoa(int(port))
	for _, id := range []kmod.ID{early, late, plain} {
		h.binds(id, map[string]string{at: "EACCES", "tcp=127.0.0.1:0": "ok"})
	}
	h.binds(owner, map[string]string{at: "ok"})
	// One more that is elsewhere comes and goes with its rules, and no other's.
	second := freePort(t)
	for second == port {
		second = freePort(t)
	}
	other := h.running(kmod.Spec{Name: "other", CgroupsPath: path + "/other", Ports: []kmod.Port{{Port: second}}})
	next := "tcp=0.0.0.0:" + strconv.Itoa(int(second))
	h.binds(early, map[string]string{at: "EACCES", next: "EACCES"})
	h.end(other)
	h.binds(early, map[string]string{at: "EACCES", next: "ok"})
	h.end(late)
	h.binds(early, map[string]string{at: "EACCES"})
	h.end(owner)
	for _, id := range []kmod.ID{early, plain} {
		h.binds(id, map[string]string{at: "ok"})
	}
	h.end(early)
	gone(t, path)
}

// What a cgroup's directory says of who is in it, and what it does not say.
func TestUsedCgroups(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "cgroup.procs")
	for _, tt := range []struct {
		what string
		make func() error
		want bool
	}{
		{"an empty directory", func() error { return nil }, false},
		{"no process", func() error { return os.WriteFile(list, nil, 0o600) }, false},
		{"a process", func() error { return os.WriteFile(list, []byte("1\n"), 0o600) }, true},
		{"a list that can't be read", func() error { return errors.Join(os.Remove(list), os.Symlink(list, list)) }, true},
		{"a cgroup", func() error { return errors.Join(os.Remove(list), os.Mkdir(filepath.Join(dir, "below"), 0o700)) }, true},
	} {
		if err := tt.make(); err != nil {
			t.Fatal(err)
		}
		if got := used(dir); got != tt.want {
			t.Errorf("%s: used = %v", tt.what, got)
		}
	}
	if used(filepath.Join(dir, "missing")) || used("") {
		t.Error("what is missing is used")
	}
	x := &cell{Cgroup: filepath.Join(cgroupV2(), "cgroup.procs")}
	if err := x.free(); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("free of a hierarchy's file = %v; want ENOTDIR", err)
	}
}

// A threaded cgroup does not say whose processes have threads in it.
func TestThreadedCgroupOfOthers(t *testing.T) {
	h, path, mount := newHost(t), placed(t), cgroupV2()
	dir := filepath.Join(mount, path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "cgroup.type"), 0, []byte("threaded")); err != nil {
		t.Error(err)
	}
	if _, err := h.Create(kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: path}); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Create at a threaded cgroup = %v; want ErrBusy", err)
	}
	for ; dir != mount; dir = filepath.Dir(dir) {
		if err := unix.Rmdir(dir); err != nil {
			t.Error(err)
		}
	}
}

// Where a cell is depends on what the host lets it have.
func TestChosenPlaces(t *testing.T) {
	h, path := newHost(t), placed(t)
	plain := kmod.Spec{Name: "x", Root: h.rootfs}
	placed, limited := plain, plain
	placed.CgroupsPath, placed.MaxProcesses = path, 5
	limited.MaxProcesses = 5
	chosen := func(s kmod.Spec) *cell {
		x := &cell{ID: 7, Spec: s}
		h.choose(x)
		return x
	}
	v2, pids, err := pidsController()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []kmod.Spec{plain, placed, limited} {
		x, wantCgroup, wantPids := chosen(s), h.ownCgroup(cgroupV2(), 7), ""
		if s.CgroupsPath != "" {
			wantCgroup = filepath.Join(cgroupV2(), path)
		}
		if s.MaxProcesses != 0 && !v2 {
			wantPids = h.pidsCgroup(pids, x)
		}
		if x.Cgroup != wantCgroup || x.Pids != wantPids {
			t.Errorf("limit %d at %q: %q and %q; want %q and %q", s.MaxProcesses, s.CgroupsPath, x.Cgroup, x.Pids, wantCgroup, wantPids)
		}
		seen := map[string]bool{}
		for _, s := range x.spots() {
			if seen[s.dir] {
				t.Errorf("%s is entered twice", s.dir)
			}
			seen[s.dir] = true
		}
	}
	nothing := func(why string) {
		if x := chosen(placed); x.Cgroup != "" || x.Pids != "" || len(x.spots()) > 0 {
			t.Errorf("%s: the cell is at %q, %q and %v", why, x.Cgroup, x.Pids, x.spots())
		}
	}
	withMounts(t, func() { // none can be made
		for _, where := range append([]string{cgroupV2(), pids}, accounting[:]...) {
			if isV1(where) || where == cgroupV2() {
				mount(t, where, where, "", unix.MS_BIND)
				mount(t, "", where, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY)
			}
		}
		nothing("cgroups that can't be written")
	})
	withMounts(t, func() { // and there are none
		mount(t, "none", "/sys/fs/cgroup", "tmpfs", 0)
		for _, where := range accounting {
			if err := os.Mkdir(where, 0o755); err != nil {
				t.Error(err)
			}
		}
		nothing("directories that are no cgroups")
	})
	withMounts(t, func() { // cgroup v2 has the controller
		cover(t, filepath.Join(cgroupV2(), "cgroup.controllers"), "cpu pids\n")
		cover(t, filepath.Join(cgroupV2(), "cgroup.subtree_control"), "cpu pids\n")
		if x := chosen(limited); x.Cgroup == "" || x.Pids != "" {
			t.Errorf("a limit by cgroup v2 is at %q, %q", x.Cgroup, x.Pids)
		}
	})
}

func TestLimitedCells(t *testing.T) {
	for _, m := range []Module{Current, Published} {
		c := &Client{module: m}
		for limit, want := range map[uint64]bool{0: false, kmod.Unlimited: false, 1: m == Current} {
			if got := c.limits(&cell{Spec: kmod.Spec{MaxProcesses: limit}}); got != want {
				t.Errorf("%s, limit %d: limits = %v", m, limit, got)
			}
		}
	}
}

// Tools that look at a container's path find there what it uses, as far as the
// host counts it: each kind is asked for by itself, as one that is missing would
// refuse them all. Elsewhere nobody looks.
func TestCountersAtThePath(t *testing.T) {
	h, path := newHost(t), placed(t)
	if _, err := h.Features(); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	withMounts(t, func() {
		mount(t, fifo, filepath.Join(cgroupV2(), "cgroup.subtree_control"), "", unix.MS_BIND)
		for at, want := range map[string]string{"": "", path: "+cpu+memory+pids+io"} {
			id := h.cell(kmod.Spec{CgroupsPath: at})
			b := make([]byte, 100)
			n, _ := unix.Read(int(f.Fd()), b)
			if got := string(b[:max(n, 0)]); got != want {
				t.Errorf("a cell at %q asks for %q; want %q", at, got, want)
			}
			h.end(id)
		}
	})
	gone(t, path)
}
