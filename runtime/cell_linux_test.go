package runtime

// A container's cell, by a kernel that says what a test wants.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

var errCells = errors.New("cells are out of order")

// fakeCells are a kernel's, as far as a test says; nil = not to be asked.
type fakeCells struct {
	kmod.Client
	create  func(kmod.Spec) (kmod.ID, error)
	name    func(kmod.ID) (string, error)
	names   func() (map[kmod.ID]string, error)
	kill    func(id kmod.ID, sig int) error
	members func(kmod.ID) ([]int, error)
	destroy func(kmod.ID) error
}

func (f *fakeCells) Create(s kmod.Spec) (kmod.ID, error)        { return f.create(s) }
func (f *fakeCells) Name(id kmod.ID) (string, error)            { return f.name(id) }
func (f *fakeCells) Names() (map[kmod.ID]string, error)         { return f.names() }
func (f *fakeCells) Kill(id kmod.ID, sig int) error             { return f.kill(id, sig) }
func (f *fakeCells) Processes(id kmod.ID) (pids []int, _ error) { return f.members(id) }
func (f *fakeCells) Destroy(id kmod.ID) error                   { return f.destroy(id) }

const fakeRoot = "/nonexistent"

// fake is a container with a cell of that kernel.
func fake(f *fakeCells, cell kmod.ID) *container {
	return &container{
		rt:        New(Options{Root: fakeRoot, Kmod: f}),
		Container: &state.Container{Dir: fakeRoot + "/c", Record: state.Record{ID: "c", Cell: cell}},
	}
}

// sleeper is a child that is there until somebody kills it.
func sleeper(t *testing.T) *process.Child {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := &process.Child{Pid: cmd.Process.Pid}
	t.Cleanup(func() { _ = child.End() })
	return child
}

// is makes a process the container's first.
func (c *container) is(t *testing.T, pid int) {
	t.Helper()
	var ok bool
	var err error
	if c.PidStart, ok, err = sys.StartTime(pid); !ok || err != nil {
		t.Fatal(ok, err)
	}
	c.Pid = pid
}

// withoutDescriptors calls a function that can open nothing.
func withoutDescriptors(t *testing.T, call func()) {
	t.Helper()
	if _, _, err := sys.StartTime(os.Getpid()); err != nil { // what is asked once is known
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	call()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
}

// The kernel is told all that the plan has.
func TestCellIsTold(t *testing.T) {
	var got kmod.Spec
	f := &fakeCells{create: func(s kmod.Spec) (kmod.ID, error) { got = s; return 7, nil }}
	c := fake(f, 0)
	c.Rootfs = "/rootfs"
	plan := &oci.Plan{
		Cell: oci.Cell{
			Profile: policy.High, Ports: []kmod.Port{{Port: 80}}, Network: kmod.NetworkAddresses, MaxProcesses: 5,
			Addresses: []oci.Address{{Interface: "if0", Prefix: netip.MustParsePrefix("192.0.2.1/24")}, {Interface: "if0", Prefix: netip.MustParsePrefix("192.0.2.2/24")}},
		},
		Process: &oci.Process{Rlimits: []oci.Rlimit{
			{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 11}, {Type: "RLIMIT_AS", Soft: 2, Hard: 12}, {Type: "RLIMIT_CORE", Soft: 3, Hard: 13}, {Type: "RLIMIT_FSIZE", Hard: 14},
		}},
		CgroupsPath: "/group",
		Devices:     []oci.Device{{Field: "linux.devices[0]", Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Listed: true}},
	}
	plan.Cell.Permissions = plan.Cell.Permissions.With(1)
	if err := c.createCell(plan); err != nil || c.Cell != 7 {
		t.Errorf("cell %d, %v; want 7", c.Cell, err)
	}
	want := kmod.Spec{
		Name: state.CellName(fakeRoot, "c"), Root: rootfs.HostPath("/rootfs", nil), Profile: policy.High, Permissions: plan.Cell.Permissions,
		Ports: plan.Cell.Ports, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
		Devices: []kmod.Device{{Type: "c", Major: 1, Minor: 3}}, Network: kmod.NetworkAddresses, MaxProcesses: 5, CgroupsPath: "/group",
		RlimitNofile: 11, RlimitAS: 12, RlimitCore: 13,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the kernel is told\n%+v; want\n%+v", got, want)
	}
	plan.Process.Rlimits = nil
	if err := c.createCell(plan); err != nil || got.RlimitNofile != kmod.Unlimited || got.RlimitAS != kmod.Unlimited || got.RlimitCore != kmod.Unlimited {
		t.Errorf("without limits it is told %+v, %v", got, err)
	}
	for err, want := range map[error]bool{errCells: false, kmod.ErrExists: true} {
		f.create = func(kmod.Spec) (kmod.ID, error) { return 0, fmt.Errorf("create: %w", err) }
		if got := c.createCell(plan); !errors.Is(got, err) || strings.Contains(got.Error(), "`runcell delete --force c`") != want {
			t.Errorf("createCell = %v; the way out: want %v", got, want)
		}
	}
}

// A cell is a container's by number and by name.
func TestWhoseCell(t *testing.T) {
	name := state.CellName(fakeRoot, "c")
	c := fake(&fakeCells{}, 7)
	for _, one := range []struct {
		list []kmod.Info
		want bool
	}{
		{nil, false},
		{[]kmod.Info{{ID: 7, Name: "other"}}, false},
		{[]kmod.Info{{ID: 6, Name: name}}, false},
		{[]kmod.Info{{ID: 6, Name: "other"}, {ID: 7, Name: name}}, true},
	} {
		if got := c.hasCell(one.list); got != one.want {
			t.Errorf("of %+v: %v", one.list, got)
		}
	}
	for _, one := range []struct {
		name string
		err  error
		want bool
	}{
		{name, nil, true}, {"other", nil, false}, {name, kmod.ErrNotFound, false}, {name, kmod.ErrUnavailable, false}, {name, errCells, false},
	} {
		c := fake(&fakeCells{name: func(kmod.ID) (string, error) { return one.name, one.err }}, 7)
		got, err := c.sameBoot()
		if got != one.want || errors.Is(err, errCells) != errors.Is(one.err, errCells) || err != nil && !errors.Is(err, errCells) {
			t.Errorf("%s, %v: %v, %v", one.name, one.err, got, err)
		}
	}
	named := &fakeCells{name: func(kmod.ID) (string, error) { return name, nil }}
	if got, err := fake(named, 0).sameBoot(); got || err != nil {
		t.Errorf("no cell: %v, %v", got, err)
	}
	c = fake(named, 7)
	c.is(t, os.Getpid())
	withoutDescriptors(t, func() {
		if got, err := c.sameBoot(); got || err == nil {
			t.Errorf("a process that can't be looked at: %v, %v; want an error", got, err)
		}
	})
}

// Where state roots share a kernel's cells, one is another's that is not below.
func TestCellsOfOthers(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		root, of string
		want     bool
	}{
		{dir, dir + "/c/root", true},
		{link, dir + "/c/root", true},
		{dir, dir, false},
		{dir, dir + "2/c", false},
		{dir, filepath.Dir(dir), false},
		{dir, "/", false},
		{dir, "", false},
		{dir + "/none", dir + "/none/c", false},
		{dir + "/none", "", false},
	} {
		r := New(Options{Root: one.root})
		if got := r.hasBelow(one.of); got != one.want {
			t.Errorf("%s has %s: %v", one.root, one.of, got)
		}
		if !r.owns(kmod.Info{Root: one.of}) {
			t.Errorf("%s does not own %s, where cells are a state root's", one.root, one.of)
		}
	}
}

// patience is how often somebody may be asked before it is for ever.
type patience int

func (p *patience) ask() error {
	if *p++; *p > 100 {
		return errors.New("asked again and again")
	}
	return nil
}

// The first process is killed, in the cell or not, and whoever else there is.
func TestKillAll(t *testing.T) {
	none := func(kmod.ID) ([]int, error) { return nil, nil }
	t.Run("first process", func(t *testing.T) {
		var asked patience
		child := sleeper(t)
		c := fake(&fakeCells{kill: func(kmod.ID, int) error { return asked.ask() }, members: none}, 7)
		c.is(t, child.Pid)
		if alive, _ := c.Alive(); !alive {
			t.Error("it is not there")
		}
		if err := c.killAll(); err != nil {
			t.Error(err)
		}
		if alive, err := c.Alive(); alive || err != nil {
			t.Errorf("alive: %v, %v", alive, err)
		}
		withoutDescriptors(t, func() {
			if err := c.killAll(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("kill process %d", c.Pid)) {
				t.Errorf("what can't be looked at: %v; want an error", err)
			}
		})
	})
	t.Run("comes late", func(t *testing.T) {
		var asked patience
		child := sleeper(t)
		var c *container
		c = fake(&fakeCells{kill: func(kmod.ID, int) error {
			if asked == 0 {
				c.is(t, child.Pid)
			}
			return asked.ask()
		}, members: none}, 7)
		if err := c.killAll(); err != nil {
			t.Error(err)
		}
		if alive, err := c.Alive(); alive || err != nil {
			t.Errorf("alive: %v, %v", alive, err)
		}
	})
	t.Run("members", func(t *testing.T) {
		var asked patience
		left := []int{1, 2, 3}
		c := fake(&fakeCells{kill: func(id kmod.ID, sig int) error {
			if id != 7 || sig != int(unix.SIGKILL) {
				t.Errorf("signal %d to cell %d", sig, id)
			}
			left = left[1:]
			return asked.ask()
		}, members: func(kmod.ID) ([]int, error) { return left, nil }}, 7)
		if err := c.killAll(); err != nil || len(left) != 0 {
			t.Errorf("left %v, %v", left, err)
		}
	})
	t.Run("our child", func(t *testing.T) {
		var asked patience
		child := sleeper(t)
		// As NetBSD counts: what is not reaped is a member.
		c := fake(&fakeCells{kill: func(kmod.ID, int) error { return asked.ask() }, members: func(kmod.ID) ([]int, error) {
			if errors.Is(unix.Kill(child.Pid, 0), unix.ESRCH) {
				return nil, nil
			}
			return []int{child.Pid}, nil
		}}, 7)
		c.is(t, child.Pid)
		c.child = child
		if err := c.killAll(); err != nil {
			t.Error(err)
		}
	})
	t.Run("our child that ends late", func(t *testing.T) {
		child := sleeper(t)
		c := fake(&fakeCells{kill: func(kmod.ID, int) error {
			var info unix.Siginfo
			return errors.Join(unix.Kill(child.Pid, unix.SIGKILL), unix.Waitid(unix.P_PID, child.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil))
		}, members: none}, 7)
		c.child = child
		if err := c.killAll(); err != nil {
			t.Error(err)
		}
		if err := unix.Kill(child.Pid, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("the child is not reaped: %v", err)
		}
	})
}

// The host's processes are no cell's, and what fails is not done.
func TestKillMembers(t *testing.T) {
	never := func(kmod.ID, int) error { t.Error("the host is signalled"); return nil }
	pids := func(kmod.ID) ([]int, error) { return []int{1, 2}, nil }
	if left, err := fake(&fakeCells{kill: never, members: pids}, 0).rt.killMembers(0); left != 0 || err != nil {
		t.Errorf("no cell: %d, %v", left, err)
	}
	for _, one := range []struct {
		name          string
		kill, members error
		left          int
		fails         bool
	}{
		{"both", nil, nil, 2, false},
		{"gone", kmod.ErrNotFound, nil, 2, false},
		{"gone later", nil, kmod.ErrNotFound, 2, false},
		{"kill fails", errCells, nil, 0, true},
		{"list fails", nil, errCells, 0, true},
	} {
		killed := 0
		f := &fakeCells{
			kill:    func(kmod.ID, int) error { killed++; return one.kill },
			members: func(kmod.ID) ([]int, error) { return []int{1, 2}, one.members },
		}
		if left, err := fake(f, 7).rt.killMembers(7); left != one.left || errors.Is(err, errCells) != one.fails || err != nil && !one.fails || killed != 1 {
			t.Errorf("%s: %d, %v, killed %d times", one.name, left, err, killed)
		}
	}
	f := &fakeCells{kill: func(kmod.ID, int) error { return nil }, members: func(kmod.ID) ([]int, error) { return nil, errCells }}
	if err := fake(f, 7).killAll(); !errors.Is(err, errCells) {
		t.Errorf("killAll = %v; want the kernel's error", err)
	}
	f = &fakeCells{kill: func(kmod.ID, int) error { return nil }, members: func(kmod.ID) ([]int, error) { return []int{1}, errCells }}
	if err := fake(f, 7).killAll(); !errors.Is(err, errCells) {
		t.Errorf("killAll = %v; want the kernel's error", err)
	}
}

// What does not end is waited for, for a while, and not in a hurry.
func TestPatience(t *testing.T) {
	const most = 10000 // half a minute of 10 ms
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		err := untilNobody(func() (int, error) {
			if asked++; asked > most {
				return 0, errors.New("for ever")
			}
			return 3, nil
		})
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "3 processes are still there") || took < deathPatience || took > 2*deathPatience {
			t.Errorf("untilNobody = %v after %v", err, took)
		}
		if err := untilNobody(func() (int, error) { return 3, errCells }); !errors.Is(err, errCells) {
			t.Errorf("untilNobody = %v; want the error", err)
		}
		asked = 0
		busy := func(kmod.ID) error {
			if asked++; asked > most {
				return errCells
			}
			return kmod.ErrBusy
		}
		began = time.Now()
		err = fake(&fakeCells{destroy: busy}, 7).rt.destroyCell(7)
		if took := time.Since(began); !errors.Is(err, kmod.ErrBusy) || took < deathPatience || took > 2*deathPatience {
			t.Errorf("destroyCell = %v after %v", err, took)
		}
		asked = 0
		for _, last := range []error{nil, kmod.ErrNotFound, errCells} {
			asked = 0
			err := fake(&fakeCells{destroy: func(kmod.ID) error {
				if asked++; asked < 5 {
					return kmod.ErrBusy
				}
				return last
			}}, 7).rt.destroyCell(7)
			if asked != 5 || errors.Is(last, errCells) != errors.Is(err, errCells) || err != nil && !errors.Is(err, errCells) {
				t.Errorf("destroyCell = %v after %d times, the last of which gave %v", err, asked, last)
			}
		}
	})
}

// A cell without a record is found by its name, and its processes end first.
func TestDestroyByName(t *testing.T) {
	var did []string
	say := func(what string, id kmod.ID) { did = append(did, fmt.Sprintf("%s %d", what, id)) }
	f := &fakeCells{
		names: func() (map[kmod.ID]string, error) {
			return map[kmod.ID]string{6: "other", 7: state.CellName(fakeRoot, "c"), 8: "c"}, nil
		},
		kill:    func(id kmod.ID, _ int) error { say("kill", id); return nil },
		members: func(kmod.ID) ([]int, error) { return nil, nil },
		destroy: func(id kmod.ID) error { say("destroy", id); return nil },
	}
	r := fake(f, 0).rt
	if err := r.destroyByName("c"); err != nil || !slices.Equal(did, []string{"kill 7", "destroy 7"}) {
		t.Errorf("did %q, %v", did, err)
	}
	f.destroy = func(kmod.ID) error { return errCells }
	if err := r.destroyByName("c"); !errors.Is(err, errCells) {
		t.Errorf("what can't be removed: %v", err)
	}
	f.destroy, f.members = func(kmod.ID) error { t.Error("destroyed with members"); return nil }, func(kmod.ID) ([]int, error) { return nil, errCells }
	if err := r.destroyByName("c"); !errors.Is(err, errCells) {
		t.Errorf("what can't be killed: %v", err)
	}
	for err, fails := range map[error]bool{kmod.ErrUnavailable: false, errCells: true} {
		f.names = func() (map[kmod.ID]string, error) { return nil, err }
		if got := r.destroyByName("c"); (got != nil) != fails {
			t.Errorf("without names: %v gives %v", err, got)
		}
	}
}

// Who has a number and no name is known by the number, but root is root, whatever
// the host's list of users says.
func TestOwner(t *testing.T) {
	if got := owner(); got != "root" {
		t.Errorf("root is %q", got)
	}
	first, err := user.LookupId("1")
	if err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[uint32]string{0: "root", 1: first.Username, 987654: "987654"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwnerIs$")
		if uid == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		}
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", ownerVar, uid, want))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("user %d: %v, %s", uid, err, out)
		}
	}
}

const ownerVar = "RUNCELL_TEST_OWNER"

// TestOwnerIs is for a process of its own, as a user. Root's has mounts of its
// own, and takes the list of users away.
func TestOwnerIs(t *testing.T) {
	var uid int
	var want string
	if _, err := fmt.Sscan(os.Getenv(ownerVar), &uid, &want); err != nil {
		return // TestOwner's alone
	}
	if uid == 0 {
		if err := unix.Mount("/dev/null", "/etc/passwd", "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setuid(uid); err != nil {
		t.Fatal(err)
	}
	if got := owner(); got != want {
		t.Errorf("it is %q; want %q", got, want)
	}
}

// Each type is told from the others, and from what is none.
func TestNamespacesAreOfTheirType(t *testing.T) {
	files := map[string]string{"cgroup": "cgroup", "ipc": "ipc", "mount": "mnt", "network": "net", "pid": "pid", "time": "time", "user": "user", "uts": "uts"}
	for typ := range files {
		for is, file := range files {
			err := checkNamespace(oci.Namespace{Type: typ, Path: "/proc/self/ns/" + file})
			if (err == nil) != (typ == is) || err != nil && !strings.Contains(err.Error(), "not a namespace of type "+typ) {
				t.Errorf("a %s namespace as %s: %v", is, typ, err)
			}
		}
	}
	if len(files) != len(namespaceTypes) {
		t.Errorf("%d types; want %d", len(namespaceTypes), len(files))
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/dev/null": "no namespace", t.TempDir(): "no namespace", fifo: "no namespace", fakeRoot: "no such file"} {
		done := make(chan error, 1)
		go func() { done <- checkNamespace(oci.Namespace{Type: "ipc", Path: path}) }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", path, err, want)
			}
		case <-ctx.Done():
			t.Errorf("%s keeps us waiting", path)
		}
		cancel()
	}
	list := []oci.Namespace{{Field: "linux.namespaces[0]", Type: "ipc", Path: "/proc/self/ns/ipc"}, {Field: "linux.namespaces[1]", Type: "uts", Path: "/proc/self/ns/ipc"}}
	if err := checkNamespaces(&oci.Plan{Namespaces: list[:1]}); err != nil {
		t.Error(err)
	}
	if err := checkNamespaces(&oci.Plan{Namespaces: list}); err == nil || !strings.Contains(err.Error(), "linux.namespaces[1].path /proc/self/ns/ipc: ") {
		t.Errorf("checkNamespaces = %v; want the second refused", err)
	}
}
