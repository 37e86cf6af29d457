package emulator

// Reserved ports and own addresses, tried by processes in cells.

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// freePort gives a port that nobody uses now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrInet6{}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(sa.(*unix.SockaddrInet6).Port)
}

// withPorts gives a host that enforces reserved ports. A machine where it
// cannot be tried must say so, and then nothing is promised.
func withPorts(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	if s := h.can().Ports; s.Level != kmod.Enforced {
		t.Fatalf("this machine cannot enforce reserved ports: %s", s.Reason)
	}
	return h
}

// binds runs attempts as a later entry of a cell that has a first process.
func (h *host) binds(id kmod.ID, want map[string]string) {
	h.t.Helper()
	var wanted strings.Builder
	attempts := slices.Sorted(maps.Keys(want))
	for _, a := range attempts {
		fmt.Fprintln(&wanted, a, want[a])
	}
	if out, _ := h.start(id, attempts...).output(); out != wanted.String() {
		h.t.Errorf("cell %d: got\n%swant\n%s", id, out, &wanted)
	}
}

func (h *host) running(s kmod.Spec) kmod.ID {
	h.t.Helper()
	s.Profile, s.Permissions = policy.High, policy.Defaults(policy.High)
	id := h.cell(s)
	h.start(id, "wait").line()
	return id
}

func TestReservedPorts(t *testing.T) {
	h := withPorts(t)
	port := freePort(t)
	at := func(proto, addr string) string { return proto + "=" + addr + ":" + strconv.Itoa(int(port)) }
	early := h.running(kmod.Spec{Name: "early"})
	owner := h.running(kmod.Spec{Name: "owner", Ports: []kmod.Port{{Port: port}}})
	late := h.running(kmod.Spec{Name: "late"})
	denied := map[string]string{
		at("tcp", "0.0.0.0"): "EACCES", at("udp", "127.0.0.1"): "EACCES", at("tcp", "[::]"): "EACCES",
		at("udp", "[::1]"): "EACCES", at("tcp", "[::ffff:127.0.0.1]"): "EACCES",
		"tcp=127.0.0.1:0": "ok",
	}
	h.binds(early, denied)
	h.binds(late, denied)
	h.binds(owner, map[string]string{
		at("tcp", "0.0.0.0"): "ok", at("udp", "[::]"): "ok", at("tcp", "127.0.0.1"): "ok", at("tcp", "[::1]"): "ok",
	})
	h.end(owner)
	h.binds(early, map[string]string{at("tcp", "0.0.0.0"): "ok"})
	if n := h.hooks(); n != 0 {
		t.Errorf("%d programs are attached when no port is reserved; want 0", n)
	}
}

func TestReservedPortsByAddressAndProtocol(t *testing.T) {
	h := withPorts(t)
	port := freePort(t)
	at := func(proto, addr string) string { return proto + "=" + addr + ":" + strconv.Itoa(int(port)) }
	reserve := func(name, addr string) kmod.ID {
		return h.running(kmod.Spec{Name: name, Ports: []kmod.Port{{Port: port, Addr: netip.MustParseAddr(addr), Proto: "tcp"}}})
	}
	one := reserve("one", "127.0.0.1")
	h.binds(one, map[string]string{at("tcp", "0.0.0.0"): "ok"})
	two := reserve("two", "127.0.0.2")
	h.binds(one, map[string]string{
		at("tcp", "127.0.0.1"): "ok", at("tcp", "127.0.0.2"): "EACCES", at("tcp", "127.0.0.3"): "ok",
		at("tcp", "0.0.0.0"): "EACCES", at("tcp", "[::]"): "EACCES", at("udp", "0.0.0.0"): "ok",
	})
	h.binds(two, map[string]string{at("tcp", "127.0.0.2"): "ok", at("tcp", "[::ffff:127.0.0.1]"): "EACCES"})
	h.end(two)
	h.binds(one, map[string]string{at("tcp", "0.0.0.0"): "ok", at("tcp", "127.0.0.2"): "ok"})
}

func TestOwnAddresses(t *testing.T) {
	h := withPorts(t)
	id := h.running(kmod.Spec{Network: kmod.NetworkAddresses, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.7")}})
	free := h.running(kmod.Spec{Name: "free"})
	h.binds(id, map[string]string{
		"tcp=127.0.0.7:0": "ok", "udp=127.0.0.7:0": "ok", "tcp=[::ffff:127.0.0.7]:0": "ok",
		"tcp=127.0.0.1:0": "EACCES", "udp=0.0.0.0:0": "EACCES", "tcp=[::]:0": "EACCES", "tcp=[::1]:0": "EACCES",
	})
	h.binds(free, map[string]string{"tcp=127.0.0.1:0": "ok", "tcp=0.0.0.0:0": "ok"})
}

// Before Linux 5.18 another pair of programs decides the same, with EPERM.
func TestProgramsForOldKernels(t *testing.T) {
	h := withPorts(t)
	port := strconv.Itoa(int(freePort(t)))
	early := h.running(kmod.Spec{Name: "early"})
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	h.running(kmod.Spec{Name: "owner", Ports: []kmod.Port{{Port: uint16(n)}}})
	cgroup := h.cgroup()
	rules, err := findRules(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := byID(unix.BPF_MAP_GET_FD_BY_ID, rules)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unhook(cgroup); err != nil {
		t.Fatal(err)
	}
	h.binds(early, map[string]string{"tcp=0.0.0.0:" + port: "ok"})
	for _, k := range hooks {
		prog, err := loadBind(k.name, k.attach, k.old, fd)
		if err != nil {
			t.Fatal(err)
		}
		if err := attachProgram(cgroup, prog, k.attach); err != nil {
			t.Error(err)
		}
		_ = unix.Close(prog)
	}
	h.binds(early, map[string]string{
		"tcp=0.0.0.0:" + port: "EPERM", "udp=127.0.0.1:" + port: "EPERM", "tcp=[::]:" + port: "EPERM", "tcp=[::1]:0": "ok",
	})
}

// cgroup opens the cells' directory, where the hooks are.
func (h *host) cgroup() int {
	h.t.Helper()
	fd, err := unix.Open(filepath.Join(cgroupV2(), cgroupName(h.root)), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// end kills a cell and destroys it.
func (h *host) end(id kmod.ID) {
	h.t.Helper()
	if err := h.Kill(id, int(unix.SIGKILL)); err != nil {
		h.t.Errorf("Kill: %v", err)
	}
	if err := h.destroyKilled(id); err != nil {
		h.t.Errorf("Destroy: %v", err)
	}
}

// destroyKilled removes a cell whose processes may still be on their way out:
// ErrBusy is what Destroy says then, and for how long depends on the machine.
func (h *host) destroyKilled(id kmod.ID) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := h.Destroy(id); !errors.Is(err, kmod.ErrBusy) || time.Now().After(end) {
			return err
		}
	}
}

// hooks counts our programs at the cells' cgroup.
func (h *host) hooks() int {
	h.t.Helper()
	n := 0
	for _, k := range hooks {
		ids, err := attached(h.cgroup(), k.attach)
		if err != nil {
			h.t.Fatal(err)
		}
		n += len(ids)
	}
	return n
}

func TestProcessLimit(t *testing.T) {
	h := newHost(t)
	if s := h.can().MaxProcesses; s.Level != kmod.Enforced {
		t.Fatalf("this machine cannot limit processes: %s", s.Reason)
	}
	id := h.cell(kmod.Spec{MaxProcesses: 12})
	out, _ := h.start(id, "bomb").output()
	if out != "bomb EAGAIN\n" {
		t.Errorf("fork without end = %q; want EAGAIN", out)
	}
	h.end(id)
}
