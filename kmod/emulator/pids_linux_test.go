package emulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// Where a limit can be set: controllers, the root cgroup that alone may have
// processes beside it, and those of another pid namespace.
func TestLimitIsWhere(t *testing.T) {
	const controllers, control, kind, procs = "cgroup.controllers", "cgroup.subtree_control", "cgroup.type", "cgroup.procs"
	// What is in the current directory is no hierarchy's.
	t.Chdir(hierarchy(t, map[string]string{controllers: "pids\n", control: "pids\n"}))
	const none, occupied = "no cgroup hierarchy has the pids controller", "does not hand down"
	for name, tt := range map[string]struct {
		files map[string]string // nil is no hierarchy
		want  string            // empty is a limit
	}{
		"no hierarchy":      {nil, none},
		"no list":           {map[string]string{procs: ""}, none},
		"others only":       {map[string]string{controllers: "cpu pidsx\n"}, none},
		"the root":          {map[string]string{controllers: "cpu pids\n", control: "\n", procs: "1\n"}, ""},
		"handed down":       {map[string]string{controllers: "pids\n", control: "cpu pids\n", kind: "domain\n", procs: "1\n"}, ""},
		"empty":             {map[string]string{controllers: "pids\n", control: "\n", kind: "domain\n", procs: ""}, ""},
		"with a process":    {map[string]string{controllers: "pids\n", control: "\n", kind: "domain\n", procs: "1\n"}, occupied},
		"with one unseen":   {map[string]string{controllers: "pids\n", control: "\n", kind: "domain\n", procs: "0\n"}, occupied},
		"with who knows":    {map[string]string{controllers: "pids\n", control: "\n", kind: "domain\n"}, occupied},
		"no list of theirs": {map[string]string{controllers: "pids\n", kind: "domain\n", procs: "1\n"}, occupied},
	} {
		dir := ""
		if tt.files != nil {
			dir = hierarchy(t, tt.files)
		}
		v2, mount, err := controllerIn(dir, "/nonexistent")
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
		if found := tt.want != none; v2 != found || found && mount != dir {
			t.Errorf("%s: controllerIn = %v, %q; want the version %v", name, v2, mount, found)
		}
	}
	if err := delegable("/nonexistent"); err == nil || !strings.Contains(err.Error(), "cgroups cannot be made below /nonexistent") {
		t.Errorf("delegable of nothing = %v", err)
	}
}

func TestLimitIsTold(t *testing.T) {
	if s := maxProcesses(true, "/x", nil); s.Level != kmod.Enforced {
		t.Errorf("with a controller: %+v", s)
	}
	if s := maxProcesses(false, "", errors.New("none here")); s != recorded("none here") {
		t.Errorf("without one: %+v", s)
	}
}

func TestLimitOfVersion2(t *testing.T) {
	const control, limit = "cgroup.subtree_control", "a/b/pids.max"
	files := map[string]string{control: "", "a/" + control: "", limit: ""}
	for processes, want := range map[uint64]string{0: "max", 7: "7", kmod.Unlimited: "max"} {
		dir := hierarchy(t, files)
		if err := (&cell{Cgroup: filepath.Join(dir, "a/b"), Pids: "/nonexistent"}).setLimit(true, dir, processes); err != nil {
			t.Error(err)
		}
		if got := written(t, filepath.Join(dir, limit)); got != want {
			t.Errorf("pids.max for %d = %q; want %q", processes, got, want)
		}
		for _, name := range []string{control, "a/" + control} {
			if got := written(t, filepath.Join(dir, name)); got != "+pids" {
				t.Errorf("%s = %q; want the controller", name, got)
			}
		}
	}
	dir := hierarchy(t, files)
	err := new(cell).setLimit(true, dir, 7)
	if got := written(t, filepath.Join(dir, control)); err == nil || !strings.Contains(err.Error(), "cell has no cgroup below "+dir) || got != "" {
		t.Errorf("of a cell without a cgroup: %v, %q", err, got)
	}

	// A cell's limit is changed where it is, and nothing is made.
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	cgroup := h.place(id, filepath.Join(dir, "a/b"))
	if err := h.limitIn(true, dir, id, 7); err != nil {
		t.Error(err)
	}
	if got := written(t, filepath.Join(dir, limit)); got != "7" {
		t.Errorf("pids.max = %q; want 7", got)
	}
	if x, err := h.lookup(id); err != nil || x.Pids != "" {
		t.Errorf("the cell has another cgroup: %+v, %v", x, err)
	}
	h.place(id, cgroup)
}

// place says that a cell's cgroup is another one, and gives the one before.
func (h *host) place(id kmod.ID, dir string) (before string) {
	h.t.Helper()
	if err := h.change(id, func(x *cell) error { before, x.Cgroup = x.Cgroup, dir; return nil }); err != nil {
		h.t.Fatal(err)
	}
	return before
}

func TestLimitIsRead(t *testing.T) {
	t.Chdir(hierarchy(t, map[string]string{"pids.max": "99\n"})) // no cell's
	seven, eight := hierarchy(t, map[string]string{"pids.max": "7\n"}), hierarchy(t, map[string]string{"pids.max": "8\n"})
	without := hierarchy(t, map[string]string{"pids.max": "max\n"})
	three := kmod.Spec{MaxProcesses: 3}
	for name, tt := range map[string]struct {
		x    cell
		want uint64
	}{
		"no cgroup":              {cell{Spec: three}, 3},
		"no cgroup, no limit":    {cell{Spec: kmod.Spec{MaxProcesses: kmod.Unlimited}}, 0},
		"version 2":              {cell{Spec: three, Cgroup: seven}, 7},
		"version 1":              {cell{Spec: three, Cgroup: seven, Pids: eight}, 8},
		"lifted":                 {cell{Spec: three, Cgroup: without}, 0},
		"no controller":          {cell{Spec: three, Cgroup: t.TempDir()}, 3},
		"the published module's": {cell{Spec: three, Cgroup: seven, Module: Published}, 3},
	} {
		if got := tt.x.processLimit(); got != tt.want {
			t.Errorf("%s: processLimit = %d; want %d", name, got, tt.want)
		}
	}
}

// Members are moved; who has ended is let go, and what refuses them is told.
func TestLimitGathers(t *testing.T) {
	listed := func(pid int) *cell {
		return &cell{Cgroup: hierarchy(t, map[string]string{"cgroup.procs": fmt.Sprintln(pid)})}
	}
	dir := ownSpot(t)
	cmd := bystander(t, "")
	if err := listed(cmd.Process.Pid).gather(dir); err != nil {
		t.Error(err)
	}
	if pids, err := cgroupProcesses(dir); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("processes = %v, %v; want %d", pids, err, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	// The list never tells that it has ended.
	if err := listed(nobody).gather(dir); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("gather of one who has ended = %v; want EAGAIN", err)
	}
	// A file with a number in it that nobody may write.
	sealed := t.TempDir()
	if err := os.Symlink("/proc/sys/kernel/cap_last_cap", filepath.Join(sealed, "cgroup.procs")); err != nil {
		t.Fatal(err)
	}
	if err := listed(os.Getpid()).gather(sealed); !errors.Is(err, unix.EACCES) {
		t.Errorf("gather where nobody may enter = %v; want EACCES", err)
	}
}

// Of the cgroups that a child moves into, those at the cell's path only count,
// and may be gone. The one of the limit may not.
func TestLimitIsEntered(t *testing.T) {
	enter := func(x *cell) error {
		var e entry
		defer e.close()
		return e.enterSpots(x)
	}
	if err := enter(&cell{Pids: filepath.Join(pidsV1, "runcell-test-none")}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without the cgroup of its limit: %v; want ENOENT", err)
	}
	x := &cell{Spec: kmod.Spec{CgroupsPath: placed(t)}}
	if err := enter(x); err != nil {
		t.Errorf("without those of its path: %v", err)
	}
	if x.Spec.CgroupsPath = "/cgroup.procs"; len(x.spots()) > 0 { // a file in each hierarchy
		if err := enter(x); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("at a path that is no cgroup's: %v; want ENOTDIR", err)
		}
	}
}
