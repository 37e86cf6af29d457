package process

// The order of a child's program, and what the process is in the end.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/nofile"
	"golang.org/x/sys/unix"
)

const selfVariable = "RUNCELL_TEST_PRINT_PROCESS"

// The test binary is also the program that the child execs.
func init() {
	if os.Getenv(selfVariable) == "" {
		return
	}
	groups, _ := os.Getgroups()
	nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	var core unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
	privs, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	cwd, _ := os.Getwd()
	fmt.Printf("%d %d %d %d %v umask %o nice %d core %d:%d nnp %d in %s, root: %v\n", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups,
		unix.Umask(0), 20-nice, core.Cur, core.Max, privs, cwd, unix.Setuid(0))
	os.Exit(0)
}

// The program ends up as the configuration has it, without a way back to root.
func TestProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test changes user ids and needs root")
	}
	self, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0) // others may not search its directory
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(self) }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	nice, umask := 3, uint32(0o27)
	p := &oci.Process{
		Args: []string{fmt.Sprintf("/proc/self/fd/%d", self)}, Env: []string{selfVariable + "=1"}, Cwd: "/dev", UID: 1234, GID: 1235, AdditionalGIDs: []uint32{1236, 1237},
		Nice: &nice, Umask: &umask, NoNewPrivs: true, Rlimits: []oci.Rlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}},
	}
	member, err := MemberSteps(p, kmod.Entry{})
	if err != nil {
		t.Fatal(err)
	}
	s := Streams{0, int(w.Fd()), 2}
	identity, err := IdentitySteps(p, kmod.Entry{}, OwnStreams)
	if err != nil {
		t.Fatal(err)
	}
	proc, err := StartProgram(t.Context(), &stage.Program{Steps: slices.Concat(s.TakeSteps(), member, identity.Steps())})
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := proc.Wait()
	want := fmt.Sprintf("1234 1234 1235 1235 [1236 1237] umask 27 nice 3 core 1:2 nnp 1 in /dev, root: %v\n", unix.EPERM)
	if err != nil || ws != 0 || string(out) != want {
		t.Errorf("the program says %q, %#x, %v; want %q", out, ws, err, want)
	}
}

// lines are the steps, with the errors that they tolerate.
func lines(steps []stage.Step) string {
	var list []string
	for _, s := range steps {
		line := s.Name
		for _, e := range s.Tolerate {
			if e != 0 {
				line += " or " + unix.ErrnoName(e)
			}
		}
		list = append(list, line)
	}
	return strings.Join(list, "\n")
}

func TestOrderOfSteps(t *testing.T) {
	settable := GroupsSettable
	defer func() { GroupsSettable = settable }()
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
		t.Fatal(err)
	}
	nice, umask := 3, uint32(0o27)
	mark := func(name string) []stage.Step { return []stage.Step{stage.Sys("<"+name+">", unix.SYS_GETPID)} }
	entry := kmod.Entry{Steps: mark("enter"), Seal: mark("seal"), Lower: mark("lower"), Birth: mark("birth")}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(null) }()
	nproc := oci.Rlimit{Type: "RLIMIT_NPROC", Soft: 1, Hard: 2}
	three := func(name string) string { return name + "\n" + name + "\n" + name + ": the kernel kept another value" }
	const (
		cwd       = "change to process.cwd /w or EACCES"
		look      = "\nread the working directory or EACCES\nprocess.cwd /w lies outside of the container"
		before    = cwd + " or ENOENT" + look
		after     = cwd + look + "\nchange to process.cwd /w"
		nullSteps = "open the container's /dev/null or ENOENT or EACCES or EPERM\nmake the container's /dev/null descriptor 1 or EBADF\n" +
			"close the container's /dev/null or EBADF"
		user = "set process.user.gid 5\nset process.user.uid 4"
	)
	for name, c := range map[string]struct {
		p              oci.Process
		e              kmod.Entry
		s              Streams
		groupsForbid   bool
		member, seal   []string
		program, exec  string
		withoutStreams bool
	}{
		"all": {
			p:      oci.Process{Args: []string{"p"}, Env: []string{"PATH=/a:/b"}, UID: 4, GID: 5, AdditionalGIDs: []uint32{6}, Nice: &nice, Umask: &umask, NoNewPrivs: true, Rlimits: []oci.Rlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}}},
			e:      entry,
			s:      Streams{-1, null, -1},
			member: []string{"umask 0027", "set nice value 3", three("set process.rlimits RLIMIT_CORE to 1:2"), "<enter>"},
			seal:   []string{nullSteps, before, "set no_new_privs", "<seal>", "set supplementary groups [6]", user, "<birth>"},
			exec:   "exec /a/p or ENOENT or ENOTDIR or EACCES\nexec /b/p",
		},
		"root": {
			p:      oci.Process{Args: []string{"/p"}},
			e:      entry,
			s:      Streams{-1, -1, -1},
			member: []string{"<enter>"},
			seal:   []string{before, "<seal>", "set supplementary groups []", "set process.user.gid 0\nset process.user.uid 0", "<lower>", "<birth>"},
			exec:   "exec /p",
		},
		"a terminal": {
			p:            oci.Process{Args: []string{"/p"}, UID: 4, GID: 5, Terminal: true},
			s:            Streams{null, null, null},
			groupsForbid: true,
			seal:         []string{before, user},
			exec:         "exec /p",
		},
		"groups, where none can be set": {
			p:            oci.Process{Args: []string{"/p"}, UID: 4, GID: 5, AdditionalGIDs: []uint32{6}},
			s:            Streams{-1, -1, -1},
			groupsForbid: true,
			seal:         []string{before, "set supplementary groups [6]", user},
			exec:         "exec /p",
		},
		"a limit of processes": {
			p:      oci.Process{Args: []string{"/p"}, UID: 4, GID: 5, Rlimits: []oci.Rlimit{nproc}},
			e:      entry,
			s:      Streams{-1, -1, -1},
			member: []string{three(fmt.Sprintf("set process.rlimits RLIMIT_NPROC to %d:%d", max(own.Max, 2), max(own.Max, 2))), "<enter>"},
			seal:   []string{before, "<seal>", "set supplementary groups []", user, "<birth>", three("set process.rlimits RLIMIT_NPROC to 1:2")},
			exec:   "exec /p",
		},
	} {
		GroupsSettable = func() bool { return !c.groupsForbid }
		c.p.Cwd = "/w"
		member, err := MemberSteps(&c.p, c.e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := lines(member), strings.Join(c.member, "\n"); got != want {
			t.Errorf("%s: on the way into the cell:\n%s\nwant\n%s", name, got, want)
		}
		identity, err := IdentitySteps(&c.p, c.e, c.s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := lines(identity.Seal), strings.Join(c.seal, "\n"); got != want {
			t.Errorf("%s: sealed:\n%s\nwant\n%s", name, got, want)
		}
		if got, want := lines(identity.Program), after+"\n"+c.exec; got != want {
			t.Errorf("%s: the program:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A program that no directory of PATH can have, and a limit that does not exist,
// are errors before there is a child.
func TestStepsRefuse(t *testing.T) {
	for want, p := range map[string]*oci.Process{
		`exec: "p": executable file not found in $PATH`:                    {Args: []string{"p"}, Env: []string{"PATH=relative"}, Cwd: "/"},
		"process.args: invalid argument":                                   {Args: []string{"/p", "\x00"}, Cwd: "/"},
		"change to process.cwd \x00: invalid argument":                     {Args: []string{"/p"}, Cwd: "\x00"},
		"process.rlimits: RLIMIT_NICE does not exist on this system":       {Args: []string{"/p"}, Cwd: "/", Rlimits: []oci.Rlimit{{Type: "RLIMIT_NICE"}}},
		"process.rlimits: RLIMIT_RTPRIO does not exist on this system":     {Args: []string{"/p"}, Cwd: "/", Rlimits: []oci.Rlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_RTPRIO"}}},
		"process.rlimits: RLIMIT_SIGPENDING does not exist on this system": {Args: []string{"/p"}, Cwd: "/", Rlimits: []oci.Rlimit{{Type: "RLIMIT_SIGPENDING"}}},
	} {
		_, err := IdentitySteps(p, kmod.Entry{}, Streams{-1, -1, -1})
		if err == nil {
			_, err = MemberSteps(p, kmod.Entry{})
		}
		if err == nil || err.Error() != want {
			t.Errorf("error %v; want %s", err, want)
		}
	}
}

// Each limit that both systems have is set, to the very value, and is that limit.
func TestRlimits(t *testing.T) {
	for name, number := range map[string]uintptr{
		"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5, "RLIMIT_NPROC": 6,
		"RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9,
	} {
		steps, err := rlimitSteps([]oci.Rlimit{{Type: name, Soft: 5, Hard: kmod.Unlimited}})
		if err != nil || len(steps) != 3 || steps[0].Args[1] != number || steps[1].Args[1] != number {
			t.Errorf("%s: %d steps, %v; want 3 about the limit %d", name, len(steps), err, number)
		}
	}
	kept := func(want, got rlimit) error {
		steps, err := rlimitSteps([]oci.Rlimit{{Type: "RLIMIT_CORE", Soft: want.cur, Hard: want.max}})
		if err != nil {
			return err
		}
		*steps[2].Keep[1].(*rlimit) = got // as if the kernel had kept this
		return Do(&stage.Program{Steps: steps[2:]})
	}
	for want, fine := range map[rlimit]bool{{5, 7}: true, {5, 6}: false, {4, 7}: false, {5, kmod.Unlimited}: false} {
		if err := kept(want, rlimit{5, 7}); (err == nil) != fine {
			t.Errorf("where the kernel has kept 5:7 of %d:%d: %v", want.cur, want.max, err)
		}
	}
}

// Only a limit of processes waits for a birth, wherever it stands in the list, and
// what a process may have is high until then.
func TestLimitsAtBirth(t *testing.T) {
	core, nproc := oci.Rlimit{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}, oci.Rlimit{Type: "RLIMIT_NPROC", Soft: 3, Hard: kmod.Unlimited}
	high := oci.Rlimit{Type: "RLIMIT_NPROC", Soft: kmod.Unlimited, Hard: kmod.Unlimited}
	birth := kmod.Entry{Birth: []stage.Step{{}}}
	for _, c := range []struct {
		limits      []oci.Rlimit
		e           kmod.Entry
		early, late []oci.Rlimit
	}{
		{[]oci.Rlimit{core}, birth, []oci.Rlimit{core}, nil},
		{nil, birth, nil, nil},
		{[]oci.Rlimit{nproc}, kmod.Entry{}, []oci.Rlimit{nproc}, nil},
		{[]oci.Rlimit{nproc}, birth, []oci.Rlimit{high}, []oci.Rlimit{nproc}},
		{[]oci.Rlimit{nproc, core}, birth, []oci.Rlimit{high, core}, []oci.Rlimit{nproc}},
		{[]oci.Rlimit{core, nproc}, birth, []oci.Rlimit{core, high}, []oci.Rlimit{nproc}},
	} {
		given := slices.Clone(c.limits)
		early, late := limitsAtBirth(c.limits, c.e)
		if !slices.Equal(early, c.early) || !slices.Equal(late, c.late) {
			t.Errorf("limitsAtBirth(%v) = %v, %v; want %v, %v", c.limits, early, late, c.early, c.late)
		}
		if !slices.Equal(c.limits, given) {
			t.Errorf("the configuration's limits %v are %v now", given, c.limits)
		}
	}
}

// The limit of open files is the configuration's, or else what is given, or else
// the caller's, which the Go runtime has raised.
func TestWithNofile(t *testing.T) {
	core, own, given := oci.Rlimit{Type: "RLIMIT_CORE"}, oci.Rlimit{Type: nofileType, Soft: 1, Hard: 2}, oci.Rlimit{Soft: 3, Hard: 4}
	givens := oci.Rlimit{Type: nofileType, Soft: 3, Hard: 4}
	check := func(limits []oci.Rlimit, given *oci.Rlimit, want ...oci.Rlimit) {
		t.Helper()
		if got := WithNofile(limits, given); !slices.Equal(got, want) {
			t.Errorf("WithNofile(%v, %v) = %v; want %v", limits, given, got, want)
		}
	}
	check([]oci.Rlimit{core, own}, &given, core, own)
	check([]oci.Rlimit{core}, &given, core, givens)
	check(nil, &given, givens)

	was, ok := nofile.Inherited()
	if !ok {
		t.Fatal("the limit that this process began with is not known")
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &now) }()
	set := func(soft uint64) {
		t.Helper()
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: soft, Max: now.Max}); err != nil {
			t.Fatal(err)
		}
	}
	set(was.Soft - 1)
	check([]oci.Rlimit{core}, nil, core, oci.Rlimit{Type: nofileType, Soft: was.Soft, Hard: was.Hard})
	set(was.Soft)
	check([]oci.Rlimit{core}, nil, core)
}

func TestGroupsSettable(t *testing.T) {
	for text, want := range map[string]bool{"deny\n": false, "allow\n": true, "": true} {
		name := t.TempDir() + "/setgroups"
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := setgroupsFile(name).allows(); got != want {
			t.Errorf("%q allows groups: %v; want %v", text, got, want)
		}
	}
	if !setgroupsFile(t.TempDir() + "/none").allows() {
		t.Error("a kernel without user namespaces allows no groups")
	}
}

// What the caller ignores is reset, and nothing else.
func TestDefaultSignals(t *testing.T) {
	reset := func(s unix.Signal) bool {
		return slices.Contains(strings.Split(lines(DefaultSignals()), "\n"), fmt.Sprintf("reset signal %d", s))
	}
	ignore(t, unix.SIGUSR1)
	ignore(t, unix.SIGWINCH)
	for s, want := range map[unix.Signal]bool{unix.SIGUSR1: true, unix.SIGWINCH: true, unix.SIGUSR2: false, unix.SIGKILL: false} {
		if got := reset(s); got != want {
			t.Errorf("signal %d is reset: %v; want %v", s, got, want)
		}
	}
	if err := Do(&stage.Program{Steps: DefaultSignals()}); err != nil {
		t.Error(err)
	}
}

// Descriptors of ours become the child's first three, but for those that are
// there, and none of ours stays open.
func TestTakeSteps(t *testing.T) {
	for _, c := range []struct {
		s    Streams
		want string
	}{
		{OwnStreams, ""},
		{Streams{8, 1, 9}, "take descriptor 0\ntake descriptor 2\nlet go of what became descriptor 0\nlet go of what became descriptor 2"},
	} {
		if got := lines(c.s.TakeSteps()); got != c.want {
			t.Errorf("TakeSteps of %v:\n%s\nwant\n%s", c.s, got, c.want)
		}
	}
	a, b := pipeFD(t, ""), pipeFD(t, "")
	dup := func(fd int) int {
		fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	s := Streams{dup(a), 1, dup(b)}
	s.Close()
	if isOpen(s[0]) || !isOpen(1) || isOpen(s[2]) {
		t.Errorf("after Close of %v are open: %v %v %v; want the second", s, isOpen(s[0]), isOpen(1), isOpen(s[2]))
	}
}

// What is given away may be refused: the program has it all the same.
func TestGiveSteps(t *testing.T) {
	s := Streams{-1, pipeFD(t, ""), -1}
	const want = "give descriptor 1 to process.user.uid 54321 or EPERM or EROFS or EINVAL"
	if got := lines(s.GiveSteps(&oci.Process{UID: 54321})); got != want {
		t.Errorf("steps are %s; want %s", got, want)
	}
}

// A null device is one by its kind and its number, and what can't be looked at is
// none, whatever was looked at before. The container's is opened for both ways,
// and does not become the terminal, whatever it is.
func TestNullDeviceOfTheContainer(t *testing.T) {
	block := t.TempDir() + "/block"
	var null unix.Stat_t
	if err := errors.Join(unix.Stat("/dev/null", &null), unix.Mknod(block, unix.S_IFBLK|0o600, int(null.Rdev))); err != nil {
		t.Fatal(err)
	}
	open := func(name string, flags int) int {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	s := Streams{open("/dev/null", unix.O_RDONLY), -1, open(block, unix.O_PATH)}
	if got := s.null(); !slices.Equal(got, []int{0}) {
		t.Errorf("null devices: %v; want descriptor 0", got)
	}
	steps, err := s.nullSteps()
	if err != nil {
		t.Fatal(err)
	}
	const flags = unix.O_RDWR | unix.O_NOCTTY
	if got := steps[0].Args[2] & (unix.O_ACCMODE | unix.O_NOCTTY); got != flags {
		t.Errorf("it is opened with the flags %#x; want %#x", got, flags)
	}
	if err := Do(&stage.Program{Steps: steps}); err != nil {
		t.Error(err)
	}
}
