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
