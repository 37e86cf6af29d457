package emulator

// Reserved ports and own addresses, tried by processes in cells.

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
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
	h.binds(two, map[string]string{at("tcp", "127.0.0.2"): "ok", at("tcp", "[::ffff:127.0.0.1]"): "EACCES", at("tcp", "0.0.0.0"): "EACCES"})
	h.end(two)
	h.binds(one, map[string]string{at("tcp", "0.0.0.0"): "ok", at("tcp", "127.0.0.2"): "ok"})
	h.binds(h.running(kmod.Spec{Name: "three"}), map[string]string{at("tcp", "0.0.0.0"): "EACCES", at("tcp", "127.0.0.2"): "ok"})
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

// attachedAt gives the programs at a hook of a cgroup.
func attachedAt(t *testing.T, cgroup int, h hook) []uint32 {
	t.Helper()
	ids, err := attached(cgroup, h.attach)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestRulesOfCells(t *testing.T) {
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	port := func(proto uint32, port uint16, addr netip.Addr) ruleKey { return portKey(proto, port, addr.As16()) }
	every := func(proto uint32, port uint16) ruleKey { return portKey(proto, port, wildcard) }
	one := &cell{ID: 1, Cgroup: dir, Spec: kmod.Spec{Ports: []kmod.Port{{Port: 80}, {Port: 81, Proto: "tcp", Addr: a}, {Port: 81, Proto: "tcp", Addr: b}}}}
	two := &cell{ID: 2, Cgroup: dir + "/gone", Spec: kmod.Spec{
		Network: kmod.NetworkAddresses, Addresses: []netip.Addr{a, b}, Ports: []kmod.Port{{Port: 81, Addr: a.Next()}},
	}}
	for name, tt := range map[string]struct {
		cells []*cell
		want  rules
	}{
		"no rules":  {[]*cell{{ID: 3, Cgroup: dir}}, rules{}},
		"no cgroup": {[]*cell{{ID: 3, Spec: one.Spec}}, rules{}},
		"two": {[]*cell{one, two}, rules{
			cgroupKey(st.Ino): 1,

			{kindPort, unix.IPPROTO_TCP<<16 | 80<<8, anyAddr}: 1, {kindPort, unix.IPPROTO_UDP<<16 | 80<<8, anyAddr}: 1,
			every(unix.IPPROTO_TCP, 80): 1, every(unix.IPPROTO_UDP, 80): 1,
			port(unix.IPPROTO_TCP, 81, a): 1, port(unix.IPPROTO_TCP, 81, b): 1,
			port(unix.IPPROTO_TCP, 81, a.Next()): 2, port(unix.IPPROTO_UDP, 81, a.Next()): 2,
			every(unix.IPPROTO_TCP, 81): everyone, every(unix.IPPROTO_UDP, 81): 2,

			{kind: kindBound, arg: 2}: 1, {kindAddress, 2, a.As16()}: 1, {kindAddress, 2, b.As16()}: 1,
		}},
		"one": {[]*cell{one}, rules{
			cgroupKey(st.Ino): 1,

			port(unix.IPPROTO_TCP, 80, netip.Addr{}): 1, port(unix.IPPROTO_UDP, 80, netip.Addr{}): 1,
			every(unix.IPPROTO_TCP, 80): 1, every(unix.IPPROTO_UDP, 80): 1,
			port(unix.IPPROTO_TCP, 81, a): 1, port(unix.IPPROTO_TCP, 81, b): 1, every(unix.IPPROTO_TCP, 81): 1,
		}},
	} {
		got := rules{}
		for _, x := range tt.cells {
			if err := got.add(x); err != nil {
				t.Error(err)
			}
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: rules\n%v, want\n%v", name, got, tt.want)
		}
	}
	if m, err := rulesOf(&cell{ID: 1, Cgroup: "/" + strings.Repeat("x", 300), Spec: one.Spec}); err == nil {
		t.Errorf("rules of a cell whose cgroup cannot be looked at: %v", m)
	}
}

// Who binds to every address is asked for all who have a part of the port.
func TestRulesOfWildcards(t *testing.T) {
	table := t.TempDir()
	x := &cell{ID: 1, Spec: kmod.Spec{Ports: []kmod.Port{{Port: 80, Proto: "tcp"}}}}
	w := portKey(unix.IPPROTO_TCP, 80, wildcard)
	for i, want := range []rules{{}, {w: 1}, {w: everyone}} {
		if i > 0 {
			if err := mark(filepath.Join(portsDir(table, 80, unix.IPPROTO_TCP), strconv.Itoa(i)), kmod.ID(i)); err != nil {
				t.Fatal(err)
			}
		}
		m := rules{w: 7}
		if err := m.share(table, x); err != nil || !maps.Equal(m, want) {
			t.Errorf("of %d owners: %v, %v; want %v", i, m, err, want)
		}
	}
}

func TestRulesOfAMap(t *testing.T) {
	withPorts(t)
	fd, err := newHash("runcell_test", ruleKeySize, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	k := cgroupKey(1)
	for range 2 { // one that is missing is no error
		if err := deleteElem(fd, k); err != nil {
			t.Error(err)
		}
		if err := setElem(fd, k, uint32(1)); err != nil {
			t.Error(err)
		}
	}
	if err := setElem(fd, cgroupKey(2), uint32(1)); err == nil {
		t.Error("an entry more than there is room for")
	}
	_ = unix.Close(fd)
	if err := deleteElem(fd, k); !errors.Is(err, unix.EBADF) {
		t.Errorf("deleteElem of no map = %v; want EBADF", err)
	}
	if got := nameOf("name"); string(got[:5]) != "name\x00" {
		t.Errorf("nameOf = %q", got)
	}
}

func TestHookDirs(t *testing.T) {
	for _, tt := range []struct {
		x    cell
		want []string
	}{
		{cell{}, nil},
		{cell{Spec: kmod.Spec{CgroupsPath: "/a"}}, nil},
		{cell{Cgroup: "/c/a", Spec: kmod.Spec{CgroupsPath: "/a"}}, []string{"/c/a"}},
		{cell{Cgroup: "/c/runcell.1/7"}, []string{"/c/runcell.1"}},
	} {
		if got := tt.x.hookDir(); !slices.Equal(got, tt.want) {
			t.Errorf("hookDir of %+v = %q; want %q", tt.x, got, tt.want)
		}
	}
}

// Cells without rules get no programs, and make nothing of what is shared.
func TestNoProgramsWithoutRules(t *testing.T) {
	h, path := withPorts(t), placed(t)
	h.end(h.cell(kmod.Spec{}))
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := readNames(table, -1); err != nil || slices.Contains(names, bindDir) {
		t.Errorf("table has %q, %v; want no %s", names, err, bindDir)
	}
	id := h.cell(kmod.Spec{Name: "placed", CgroupsPath: path})
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	cgroup, err := openDir(x.Cgroup)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range hooks {
		if ids := attachedAt(t, cgroup, k); len(ids) > 0 {
			t.Errorf("programs %v are at the cgroup of a cell without rules", ids)
		}
	}
	_ = unix.Close(cgroup)
	// One without a cgroup has nothing that a program could know it by.
	if err := h.enforce(&cell{ID: 77, Spec: kmod.Spec{Ports: []kmod.Port{{Port: 80}}}}); err != nil {
		t.Error(err)
	}
	if ids, err := readIDs(filepath.Join(table, bindDir), -1); err != nil || len(ids) > 0 {
		t.Errorf("cells with rules: %v, %v; want none", ids, err)
	}
	h.end(id)
	gone(t, path)
}

// A new cell's rules get into the map that is there: the programs are never away.
func TestProgramsStay(t *testing.T) {
	h := withPorts(t)
	port := freePort(t)
	early := h.running(kmod.Spec{Name: "early"})
	h.running(kmod.Spec{Name: "owner", Ports: []kmod.Port{{Port: port}}})
	cgroup := h.cgroup()
	state := func() (ids []uint32) {
		for _, k := range hooks {
			ids = append(ids, attachedAt(t, cgroup, k)...)
		}
		m, err := mapAt([]string{filepath.Join(cgroupV2(), cgroupName(h.root))})
		if err != nil || m == 0 || len(ids) != len(hooks) {
			t.Errorf("map %d, programs %v, %v; want one at each hook", m, ids, err)
		}
		return append(ids, m)
	}
	denied := map[string]string{}
	for _, addr := range []string{"0.0.0.0", "[::1]"} {
		denied["tcp="+addr+":"+strconv.Itoa(int(port))] = "EACCES"
	}
	before := state()
	// A cell that cannot be read stops none that is where the programs are.
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	file := namePath(table, "owner")
	line, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte("odd\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if m, some, err := h.findMap([]string{filepath.Join(cgroupV2(), cgroupName(h.root))}); m != before[2] || !some || err != nil {
		t.Errorf("findMap beside an odd cell = %d, %v, %v; want %d", m, some, err, before[2])
	}
	if err := os.WriteFile(file, line, 0o600); err != nil {
		t.Fatal(err)
	}
	other := h.running(kmod.Spec{Name: "other", Ports: []kmod.Port{{Port: port + 1}}})
	if after := state(); !slices.Equal(after, before) {
		t.Errorf("programs and map %v, before another cell came %v", after, before)
	}
	h.end(other)
	if after := state(); !slices.Equal(after, before) {
		t.Errorf("programs and map %v, before another cell had come and gone %v", after, before)
	}
	// Whoever takes one away, or has other programs there, gets all of ours anew.
	third := hooks[1]
	if err := programs(cgroup, third, func(prog int, _ uint32) error { return detachProgram(cgroup, prog, third.attach) }); err != nil {
		t.Fatal(err)
	}
	h.running(kmod.Spec{Name: "more", Ports: []kmod.Port{{Port: port + 2}}})
	if after := state(); after[2] == before[2] {
		t.Errorf("map %v as before, though a program was missing", after)
	}
	h.binds(early, denied)
	before = state()
	if err := h.enforceAll(); err != nil {
		t.Fatal(err)
	}
	if after := state(); after[2] == before[2] {
		t.Errorf("map %v as before it was made anew", after)
	}
	h.binds(early, denied)
}

// Other programs at the hooks are not ours to take away.
func TestProgramsOfOthers(t *testing.T) {
	h := withPorts(t)
	h.cell(kmod.Spec{Name: "first"})
	cgroup, k := h.cgroup(), hooks[0]
	const ok = 0xb7 | 1<<32 // mov64 r0, 1
	prog, err := loadProgram(unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "other", k.attach, []uint64{ok, insnExit})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(prog) }()
	if err := attachProgram(cgroup, prog, k.attach); err != nil {
		t.Fatal(err)
	}
	foreign := attachedAt(t, cgroup, k)
	if id, err := findRules(cgroup); id != 0 || err != nil {
		t.Errorf("findRules = %d, %v; want none", id, err)
	}
	id := h.cell(kmod.Spec{Name: "owner", Ports: []kmod.Port{{Port: freePort(t)}}})
	if ids := attachedAt(t, cgroup, k); len(ids) != 2 {
		t.Errorf("programs %v; want the other one and ours", ids)
	}
	h.end(id)
	if ids := attachedAt(t, cgroup, k); !slices.Equal(ids, foreign) {
		t.Errorf("programs %v; want the other one, %v", ids, foreign)
	}
	if err := detachProgram(cgroup, prog, k.attach); err != nil {
		t.Error(err)
	}
}

// A kernel that refuses a program, as one of before 5.18 does, gets the old one.
func TestProgramsThatAreRefused(t *testing.T) {
	h := withPorts(t)
	saved := hooks
	defer func() { hooks = saved }()
	for want, refused := range map[unix.Errno]uint64{unix.EINVAL: insnCall | 9999<<32, unix.EACCES: insnMovReg | 3<<12} {
		for i := range hooks {
			hooks[i].program = append(slices.Clone(saved[i].program[:2]), refused, insnExit)
		}
		port := freePort(t)
		fd, err := newHash("runcell_test", ruleKeySize, 4, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loadBind("x", hooks[0].attach, hooks[0].program, fd); !errors.Is(err, want) {
			t.Errorf("load = %v; want %v", err, want)
		}
		_ = unix.Close(fd)
		early := h.running(kmod.Spec{Name: "early"})
		owner := h.running(kmod.Spec{Name: "owner", Ports: []kmod.Port{{Port: port}}})
		h.binds(early, map[string]string{"tcp=0.0.0.0:" + strconv.Itoa(int(port)): "EPERM"})
		h.end(owner)
		h.end(early)
	}
}

// Where the kernel or the mounts do not let us, the host cannot, and says why.
func TestHooksThatAreRefused(t *testing.T) {
	withPorts(t)
	look := func(prepare func() error) (hook, device error) {
		done := make(chan error)
		go func() { // on a thread that ends with it
			runtime.LockOSThread()
			err := prepare()
			if err == nil {
				hook, device = hookable(hooks[0].attach), deviceHook()
			}
			done <- err
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return hook, device
	}
	for want, prepare := range map[string]func() error{
		"eBPF programs cannot be attached": func() error {
			const writes = 1 << unix.CAP_DAC_OVERRIDE // or it would not get so far
			return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3},
				&[]unix.CapUserData{{Effective: writes, Permitted: writes}, {}}[0])
		},
		"cgroups cannot be made": func() error {
			mount := cgroupV2()
			err := unix.Unshare(unix.CLONE_NEWNS)
			if err == nil {
				err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
			}
			if err == nil {
				err = unix.Mount(mount, mount, "", unix.MS_BIND, "")
			}
			if err == nil {
				err = unix.Mount("", mount, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
			}
			return err
		},
	} {
		hook, device := look(prepare)
		for _, err := range []error{hook, device} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("a hook is refused: %v; want %q", err, want)
			}
		}
	}
}
