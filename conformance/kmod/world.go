package kmod

// The world of a case: the kernel interface, a root directory for cells, and
// everything that has to be gone when the case is over.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/conformance/owned"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// t is the harness's context of a case.
type t = harness.T

// world is what a case works with. Its methods may be called from several
// goroutines, those that end a case only from the case's own.
type world struct {
	*t
	k    kmod.Client
	root string // a root directory for cells

	mu      sync.Mutex
	serial  int
	cells   []kmod.ID
	entered map[kmod.ID]bool
	kids    map[int]bool // forked and not reaped
	agents  []*member
	mounted []string
	gates   []*os.File // closed, they would let waiters end
}

// in makes a case's function of one that works with a world.
func in(run func(*world)) func(*t) {
	return func(t *t) {
		client, err := node.Open(t.Root)
		t.Must("open the kernel interface", err)
		w := &world{t: t, k: client, entered: map[kmod.ID]bool{}, kids: map[int]bool{}}
		t.Cleanup(w.close)
		sealDescriptors()
		w.root = w.newRoot("cell")
		run(w)
	}
}

// sealDescriptors keeps what this program's caller left open from members.
func sealDescriptors() {
	for fd := 3; fd < 256; fd++ {
		unix.CloseOnExec(fd)
	}
}

// newRoot makes a directory that can be a cell's root: the agent, devices,
// /tmp, /proc.
func (w *world) newRoot(name string) string {
	root := w.MkdirAll(name)
	for _, dir := range []string{"dev/pts", "proc", "tmp", "other/proc"} {
		w.MkdirAll(name, dir)
	}
	w.Must("open /tmp to all", os.Chmod(filepath.Join(root, "tmp"), 0o1777))
	w.Must("link the agent", os.Link(w.HostProbe(), filepath.Join(root, "probe")))
	for _, device := range slices.Concat(ordinaryDevices, otherDevices()) {
		w.Must("make device", copyNode(device, filepath.Join(root, "dev", filepath.Base(device))))
	}
	return root
}

// ordinaryDevices are those that every cell can open, as far as every host
// has them.
var ordinaryDevices = []string{"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full", "/dev/tty"}

// copyNode makes a device node like the host's. One that the host lacks is
// left out.
func copyNode(from, to string) error {
	var st unix.Stat_t
	err := unix.Stat(from, &st)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := agent.MakeNode(to, uint32(st.Mode)&unix.S_IFMT|0o666, uint64(st.Rdev)); err != nil {
		return err
	}
	return os.Chmod(to, 0o666) // whatever the umask
}

// name gives a new cell's name.
func (w *world) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return fmt.Sprintf("%s-%d", w.Token, w.serial)
}

// spec describes a cell of a profile.
func (w *world) spec(p policy.Profile) kmod.Spec {
	return kmod.Spec{
		Name: w.name(), Root: w.root, Profile: p, Permissions: policy.Defaults(p), Network: kmod.NetworkHost,
		RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited,
	}
}

// high describes a cell of the default profile, with a change.
func (w *world) high(change func(*kmod.Spec)) kmod.Spec {
	s := w.spec(policy.High)
	if change != nil {
		change(&s)
	}
	return s
}

// make creates a cell that goes at the end.
func (w *world) make(s kmod.Spec) (kmod.ID, error) {
	id, err := w.k.Create(s)
	if err == nil {
		w.track(id)
	}
	return id, err
}

func (w *world) track(id kmod.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cells = append(w.cells, id)
}

// cell creates a cell; the case ends if it can't.
func (w *world) cell(s kmod.Spec) kmod.ID {
	id, err := w.make(s)
	w.Must("create cell", err)
	return id
}

// destroy removes a cell; the case ends if it can't.
func (w *world) destroy(id kmod.ID) {
	w.Must("destroy cell", w.k.Destroy(id))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cells = slices.DeleteFunc(w.cells, func(x kmod.ID) bool { return x == id })
}

// needs ends the case as not applicable where the kernel interface says that
// it lacks something. A module with this project's nodes may not lack it.
func (w *world) needs(what func(kmod.Features) kmod.Support) {
	f, err := w.k.Features()
	w.Must("ask for features", err)
	s := what(f)
	switch {
	case s.Level != kmod.Absent:
	case f.ABI > 0 && f.Backend == "secmodel_cell":
		w.Fatalf("a module of ABI %d says: %s", f.ABI, s.Reason)
	default:
		w.Skipf("%s", s.Reason)
	}
}

// Features that cases need.
func permissions(f kmod.Features) kmod.Support  { return f.Permissions }
func ports(f kmod.Features) kmod.Support        { return f.Ports }
func portAddress(f kmod.Features) kmod.Support  { return f.PortAddress }
func addresses(f kmod.Features) kmod.Support    { return f.Addresses }
func network(f kmod.Features) kmod.Support      { return f.Network }
func maxProcesses(f kmod.Features) kmod.Support { return f.MaxProcesses }
func processList(f kmod.Features) kmod.Support  { return f.Processes }
func killing(f kmod.Features) kmod.Support      { return f.Kill }
func stats(f kmod.Features) kmod.Support        { return f.Stats }
func exitStatus(f kmod.Features) kmod.Support   { return f.ExitStatus }

// wantError checks an error of the client.
func (w *world) wantError(doing string, got, want error) {
	if !errors.Is(got, want) {
		w.Errorf("%s = %v; want %v", doing, got, want)
	}
}

// close ends and removes everything, and reports what stays.
func (w *world) close() {
	w.mu.Lock()
	cells, agents, mounted := slices.Clone(w.cells), slices.Clone(w.agents), slices.Clone(w.mounted)
	w.mu.Unlock()
	for _, id := range cells {
		if err := w.k.Kill(id, int(unix.SIGKILL)); err != nil && !errors.Is(err, kmod.ErrNotFound) {
			w.Errorf("clean up: kill cell %d: %v", id, err)
		}
	}
	for _, m := range agents {
		m.close()
	}
	w.reapAll()
	for _, id := range cells {
		if err := w.destroyLater(id); err != nil {
			w.Errorf("clean up: destroy cell %d: %v", id, err)
		}
	}
	for _, path := range slices.Backward(mounted) {
		if err := unmount(path); err != nil {
			w.Errorf("clean up: unmount %s: %v", path, err)
		}
	}
	w.checkGone()
}

// destroyLater removes a cell whose processes others have to reap.
func (w *world) destroyLater(id kmod.ID) error {
	for deadline := time.Now().Add(w.Limit(5 * time.Second)); ; time.Sleep(5 * time.Millisecond) {
		err := w.k.Destroy(id)
		if errors.Is(err, kmod.ErrNotFound) {
			return nil
		}
		if !errors.Is(err, kmod.ErrBusy) || time.Now().After(deadline) {
			return err
		}
		w.reapOrphans()
	}
}

// reapAll kills and reaps the children that the case has left. In any order:
// on Linux a cell's first process ends when all others are reaped.
func (w *world) reapAll() {
	w.mu.Lock()
	kids := w.kids
	w.kids = map[int]bool{}
	w.mu.Unlock()
	for pid := range kids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for deadline := time.Now().Add(w.Limit(5 * time.Second)); w.reapOrphans() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// reapOrphans reaps every child that has ended, also those that became this
// process's by their parent's end. It tells whether there are others.
func (w *world) reapOrphans() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return err == nil
		}
	}
}

// mine lists the case's cells: those with its token in their name, or whose
// root is in its directory. On NetBSD others have cells beside them.
func (w *world) mine() ([]kmod.Info, error) {
	cells, err := w.k.List()
	return slices.DeleteFunc(cells, func(c kmod.Info) bool {
		return !strings.Contains(c.Name, w.Token) && !owned.Within(c.Root, w.Dir)
	}), err
}

// checkGone looks for cells that the case has left.
func (w *world) checkGone() {
	left, err := w.mine()
	if err != nil {
		w.Errorf("clean up: list cells: %v", err)
	}
	for _, c := range left {
		w.Errorf("clean up: cell %d, %q, is left", c.ID, c.Name)
	}
	if left := remains(w.Root); len(left) > 0 {
		w.Errorf("clean up: left: %s", strings.Join(left, ", "))
	}
}
