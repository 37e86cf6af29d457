package emulator

// What a user of kmod.Client relies on: the module's errors, entering,
// members, signals, exit statuses.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

func TestCreateRefusesWhatTheModuleRefuses(t *testing.T) {
	h := newHost(t)
	file := filepath.Join(h.rootfs, "probe")
	port := func(ports ...kmod.Port) kmod.Spec { return kmod.Spec{Name: "x", Root: h.rootfs, Ports: ports} }
	for name, tt := range map[string]struct {
		spec kmod.Spec
		want error
	}{
		"no name":         {kmod.Spec{Root: h.rootfs}, unix.EINVAL},
		"plus in name":    {kmod.Spec{Name: "a+b", Root: h.rootfs}, unix.EINVAL},
		"long name":       {kmod.Spec{Name: strings.Repeat("a", 64), Root: h.rootfs}, unix.EINVAL},
		"relative root":   {kmod.Spec{Name: "x", Root: "tmp"}, unix.EINVAL},
		"long root":       {kmod.Spec{Name: "x", Root: "/" + strings.Repeat("a", 255)}, unix.EINVAL},
		"control in root": {kmod.Spec{Name: "x", Root: "/a\nb"}, unix.EINVAL},
		"no such root":    {kmod.Spec{Name: "x", Root: "/nonexistent"}, unix.ENOENT},
		"root is a file":  {kmod.Spec{Name: "x", Root: file}, unix.ENOTDIR},
		"port 0":          {port(kmod.Port{}), unix.EINVAL},
		"port twice":      {port(kmod.Port{Port: 80, Proto: "tcp"}, kmod.Port{Port: 80, Proto: "tcp"}), unix.EINVAL},
		"wildcard port":   {port(kmod.Port{Port: 80, Addr: netip.IPv6Unspecified()}), unix.EINVAL},
		"no addresses":    {kmod.Spec{Name: "x", Root: h.rootfs, Network: kmod.NetworkAddresses}, unix.EINVAL},
		"sctp":            {port(kmod.Port{Port: 80, Proto: "sctp"}), unix.EINVAL},
		"profile 3":       {kmod.Spec{Name: "x", Root: h.rootfs, Profile: 3}, unix.EINVAL},
		"network bridge":  {kmod.Spec{Name: "x", Root: h.rootfs, Network: "bridge"}, unix.EINVAL},
		"relative cgroup": {kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: "a"}, unix.EINVAL},
		"all cgroups":     {kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: "/"}, unix.EINVAL},
		"outside":         {kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: "/a/../../b"}, unix.EINVAL},
		"tab in cgroup":   {kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: "/a\tdraft=1"}, unix.EINVAL},
		"cgroup's file":   {kmod.Spec{Name: "x", Root: h.rootfs, CgroupsPath: "/cgroup.procs"}, unix.ENOTDIR},
	} {
		if id, err := h.Create(tt.spec); !errors.Is(err, tt.want) {
			t.Errorf("%s: Create = %d, %v; want %v", name, id, err, tt.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open("relative"); err == nil {
		t.Error("Open takes a state root that is not absolute")
	}
	k, err := Open("/a/../b/")
	if err != nil {
		t.Fatal(err)
	}
	if got := k.(*Client).root; got != "/b" {
		t.Errorf("state root %q; want /b", got)
	}
}

// Where ports are not enforced cells are made all the same, and nothing hooked.
func TestPortsThatAreNotEnforced(t *testing.T) {
	h := newHost(t)
	features := h.features
	h.features = func() (kmod.Features, error) {
		f, err := features()
		f.Ports = recorded("not here")
		return f, err
	}
	h.cell(kmod.Spec{Ports: []kmod.Port{{Port: 80}}})
	if n := h.hooks(); n != 0 {
		t.Errorf("%d programs are attached; want none", n)
	}
}

func TestIdsAreNotReused(t *testing.T) {
	h := newHost(t)
	for want := kmod.ID(1); want <= 3; want++ {
		id := h.cell(kmod.Spec{})
		if id != want {
			t.Errorf("Create = %d; want %d", id, want)
		}
		if err := h.Destroy(id); err != nil {
			t.Error(err)
		}
		if err := h.Destroy(id); !errors.Is(err, kmod.ErrNotFound) {
			t.Errorf("second Destroy = %v; want ErrNotFound", err)
		}
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	h := newHost(t)
	const clients, perClient = 8, 10
	ids := make(chan kmod.ID, clients*perClient)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			k, err := Open(h.root)
			if err != nil {
				t.Error(err)
				return
			}
			for j := range perClient {
				id, err := k.Create(kmod.Spec{Name: fmt.Sprintf("cell-%d-%d", i, j), Root: h.rootfs})
				if err != nil {
					t.Errorf("Create: %v", err)
				}
				ids <- id
			}
		})
	}
	wg.Wait()
	close(ids)
	seen := map[kmod.ID]bool{}
	for id := range ids {
		if seen[id] {
			t.Errorf("id %d was given twice", id)
		}
		seen[id] = true
	}
	cells, err := h.List()
	if err != nil || len(cells) != clients*perClient {
		t.Errorf("List = %d cells, %v; want %d", len(cells), err, clients*perClient)
	}
	names, err := h.Names()
	if err != nil || len(names) != len(cells) {
		t.Errorf("Names = %d cells, %v; want %d", len(names), err, len(cells))
	}
	for _, x := range cells {
		if names[x.ID] != x.Name {
			t.Errorf("Names says that %d is %q; want %q", x.ID, names[x.ID], x.Name)
		}
	}
}

func TestNamesAndPortsAreExclusive(t *testing.T) {
	h := newHost(t)
	a := netip.MustParseAddr("192.0.2.1")
	h.cell(kmod.Spec{Name: "one", Ports: []kmod.Port{{Port: 80, Addr: a, Proto: "tcp"}}})
	for name, tt := range map[string]struct {
		spec kmod.Spec
		want error
	}{
		"one":          {kmod.Spec{}, kmod.ErrExists},
		"everywhere":   {kmod.Spec{Ports: []kmod.Port{{Port: 80}}}, kmod.ErrPortInUse},
		"same":         {kmod.Spec{Ports: []kmod.Port{{Port: 80, Addr: a}}}, kmod.ErrPortInUse},
		"everytcp":     {kmod.Spec{Ports: []kmod.Port{{Port: 80, Proto: "tcp"}}}, kmod.ErrPortInUse},
		"otherproto":   {kmod.Spec{Ports: []kmod.Port{{Port: 80, Addr: a, Proto: "udp"}}}, nil},
		"otheraddress": {kmod.Spec{Ports: []kmod.Port{{Port: 80, Addr: a.Next(), Proto: "tcp"}}}, nil},
		"otherport":    {kmod.Spec{Ports: []kmod.Port{{Port: 81}}}, nil},
	} {
		tt.spec.Name, tt.spec.Root = name, h.rootfs
		if _, err := h.Create(tt.spec); !errors.Is(err, tt.want) {
			t.Errorf("%s: Create = %v; want %v", name, err, tt.want)
		}
	}
}

func TestAnotherBootsCellsAreGone(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := removeCgroup(x.Cgroup); err != nil {
		t.Error(err)
	}
	before, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	h.boot = func() (string, error) { return "another-boot", nil }
	if cells, err := h.List(); err != nil || len(cells) != 0 {
		t.Errorf("List after a reboot = %v, %v; want none", cells, err)
	}
	if _, err := h.lookup(id); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("lookup after a reboot = %v; want ErrNotFound", err)
	}
	if id := h.cell(kmod.Spec{}); id != 1 {
		t.Errorf("first id after a reboot = %d; want 1", id)
	}
	if _, err := os.Stat(before); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the table of the boot before is still there: %v", err)
	}
}

func TestMembers(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Profile: policy.Low})
	first := h.start(id, "wait")
	if got := first.line(); got != "ready" {
		t.Fatalf("first process says %q", got)
	}
	second := h.start(id, "pids", "root", "wait")
	if got := strings.Fields(second.line()); len(got) != 2 || got[0] != "1" {
		t.Errorf("pids seen in the cell = %q; want 1 and the second process's", got)
	}
	if got, want := second.line(), "dev probe proc tmp "; got != want {
		t.Errorf("root seen by a later entry = %q; want %q", got, want)
	}
	want := []int{first.pid, second.pid}
	slices.Sort(want)
	if got, err := h.Processes(id); err != nil || !slices.Equal(got, want) {
		t.Errorf("Processes = %v, %v; want %v", got, err, want)
	}
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := x.scan(); err != nil || !slices.Equal(got, want) {
		t.Errorf("scan = %v, %v; want %v", got, err, want)
	}
	if s, err := h.Stats(id); err != nil || s.Processes != 2 {
		t.Errorf("Stats = %v, %v; want 2 processes", s, err)
	}
	if cells, err := h.List(); err != nil || len(cells) != 1 || cells[0].Processes != 2 {
		t.Errorf("List = %v, %v; want one cell with 2 processes", cells, err)
	}
	if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("Destroy with members = %v; want ErrBusy", err)
	}
	if err := h.Kill(id, int(unix.SIGTERM)); err != nil {
		t.Errorf("Kill(SIGTERM): %v", err)
	}
	if ws := second.end(); ws.Signal() != unix.SIGTERM {
		t.Errorf("second process ended by %v; want SIGTERM", ws)
	}
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Errorf("Kill(SIGKILL): %v", err)
	}
	first.end()
	if got, err := h.Processes(id); err != nil || len(got) != 0 {
		t.Errorf("Processes after SIGKILL = %v, %v; want none", got, err)
	}
	if _, err := h.Enter(id); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Enter after the end = %v; want ErrNotFound", err)
	}
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Errorf("Kill without members: %v", err)
	}
}

func TestKillReachesOrphansAndLaterEntries(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "fork", "wait")
	if got := first.line(); !strings.HasSuffix(got, "<nil>") {
		t.Fatalf("fork in the cell = %q", got)
	}
	later := h.start(id, "wait")
	later.line()
	if got, err := h.Processes(id); err != nil || len(got) != 3 {
		t.Errorf("Processes = %v, %v; want 3", got, err)
	}
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if dying, err := x.dying(); dying || err != nil {
		t.Errorf("dying of a cell that lives = %v, %v", dying, err)
	}
	begin := time.Now()
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		t.Errorf("Kill: %v", err)
	}
	t.Logf("Kill took %v", time.Since(begin))
	// Nobody has waited for the later entry yet.
	if err := eventually(func() (bool, error) { return x.dying() }); err != nil {
		t.Errorf("dying of a cell that was killed: %v", err)
	}
	if ws := later.end(); ws.Signal() != unix.SIGKILL {
		t.Errorf("later entry ended by %v; want SIGKILL", ws)
	}
	first.end()
}

func TestCellsDoNotSeeEachOther(t *testing.T) {
	h := newHost(t)
	one, two := h.cell(kmod.Spec{Name: "one"}), h.cell(kmod.Spec{Name: "two"})
	first := h.start(one, "wait")
	first.line()
	out, _ := h.start(two, "pids", "signal="+strconv.Itoa(first.pid)).output()
	if want := "1 \nsignal=" + strconv.Itoa(first.pid) + " ESRCH\n"; out != want {
		t.Errorf("the other cell's view = %q; want %q", out, want)
	}
}

func TestEnteredOnce(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait")
	first.line()
	if err := h.Entered(id, first.pid); err != nil {
		t.Errorf("the same process again: %v", err)
	}
	if err := h.Entered(id, os.Getpid()); !errors.Is(err, kmod.ErrBusy) {
		t.Errorf("another first process = %v; want ErrBusy", err)
	}
}

func TestEnterNeedsTheCellsOwnRoot(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	// A "first process" that is still in the host's root directory.
	if err := h.Entered(id, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.enter(id, 0, "wait"); !errors.Is(err, unix.EPERM) {
		t.Errorf("entering the host's root = %v; want EPERM", err)
	}
	h.unenter(id)
}

func TestWaitGivesTheStatus(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait", "exit=42")
	first.line()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := h.Wait(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait past its deadline = %v", err)
	}
	cancel()
	got := make(chan uint32, 1)
	go func() {
		status, err := h.Wait(t.Context(), id)
		if err != nil {
			t.Errorf("Wait: %v", err)
		}
		got <- status
	}()
	time.Sleep(20 * time.Millisecond)
	_ = first.in.Close()
	first.end()
	if status := <-got; status != 42<<8 {
		t.Errorf("Wait = %#x; want %#x", status, 42<<8)
	}
	if status, err := h.Wait(t.Context(), id); err != nil || status != 42<<8 {
		t.Errorf("Wait afterwards = %#x, %v; want it kept", status, err)
	}
}

func TestWaitTooLate(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	h.start(id, "exit=1").output()
	if _, err := h.Wait(t.Context(), id); !errors.Is(err, kmod.ErrUnsupported) {
		t.Errorf("Wait after the parent's wait = %v; want ErrUnsupported", err)
	}
}

// BenchmarkBirth compares a child in a cgroup of its own with one without.
func BenchmarkBirth(b *testing.B) {
	dir := filepath.Join(cgroupV2(), "runcell.bench")
	for _, in := range []string{"", dir} {
		b.Run("cgroup="+strconv.FormatBool(in != ""), func(b *testing.B) {
			for b.Loop() {
				p := &stage.Program{Steps: []stage.Step{stage.Sys("getpid", unix.SYS_GETPID)}}
				leaf := ""
				if in != "" {
					leaf = filepath.Join(in, "1")
					err := makeCgroup(cgroupV2(), leaf)
					if err != nil {
						b.Fatal(err)
					}
					if p.Fork.Cgroup, err = unix.Open(leaf, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
						b.Fatal(err)
					}
				}
				pid, err := p.Start()
				if err != nil {
					b.Fatal(err)
				}
				_, _ = syscall.Wait4(pid, nil, 0, nil)
				if leaf != "" {
					_ = unix.Close(p.Fork.Cgroup)
				}
				if err := removeCgroup(leaf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLife(b *testing.B) {
	root := b.TempDir()
	k, err := Open(root)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		id, err := k.Create(kmod.Spec{Name: "cell", Root: root})
		if err != nil {
			b.Fatal(err)
		}
		e, err := k.Enter(id)
		if err != nil {
			b.Fatal(err)
		}
		e.Close()
		if err := k.Destroy(id); err != nil {
			b.Fatal(err)
		}
	}
}

// fill puts cells into the table that have nothing in the kernel.
func fill(tb testing.TB, c *Client, n int) {
	tb.Helper()
	for i := range n {
		r, err := c.claim(&cell{Spec: kmod.Spec{Name: fmt.Sprintf("many-%d", i), Root: "/var/cells/some/bundle/rootfs"}})
		if err != nil {
			tb.Fatal(err)
		}
		r.close()
	}
}

// BenchmarkAmongMany is the life of a cell, a look at one, and the list, among
// others.
func BenchmarkAmongMany(b *testing.B) {
	for _, n := range []int{10, 1000, 5000} {
		root := b.TempDir()
		k, err := Open(root)
		if err != nil {
			b.Fatal(err)
		}
		c := k.(*Client)
		fill(b, c, n)
		for name, do := range map[string]func() error{
			"life": func() error {
				id, err := c.Create(kmod.Spec{Name: "cell", Root: root})
				if err != nil {
					return err
				}
				return c.Destroy(id)
			},
			"lookup": func() error { _, err := c.lookup(5); return err },
			"list":   func() error { _, err := c.List(); return err },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
