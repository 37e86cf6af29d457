package process

// The order of a child's program, and what its ids are in the end.

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

const idsVariable = "RUNCELL_TEST_PRINT_IDS"

// The test binary is also the program that the child execs.
func init() {
	if os.Getenv(idsVariable) == "" {
		return
	}
	groups, err := os.Getgroups()
	fmt.Println(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups, err, unix.Setuid(0))
	os.Exit(0)
}

func testProcess(t *testing.T) *oci.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	nice := 3
	return &oci.Process{
		Args: []string{self}, Env: []string{idsVariable + "=1"}, Cwd: "/", UID: 1234, GID: 1235, AdditionalGIDs: []uint32{1236},
		Nice: &nice, Rlimits: []oci.Rlimit{{Type: "RLIMIT_CORE"}},
	}
}

// Whatever a cell could deny to its members is done when the process enters.
func TestEntryComesLast(t *testing.T) {
	p := testProcess(t)
	e := kmod.Entry{Steps: []stage.Step{stage.Sys("enter the cell", unix.SYS_GETPID)}}
	member, err := MemberSteps(p, e)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := IdentitySteps(p, e, OwnStreams)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	asked := []uintptr{unix.SYS_SETPRIORITY, unix.SYS_SETRLIMIT, unix.SYS_SETGROUPS, unix.SYS_SETGID, unix.SYS_SETREUID}
	for _, s := range slices.Concat(member, identity.Steps()) {
		switch {
		case s.Kind == stage.Call && slices.Contains(asked, s.Nr):
			calls = append(calls, "privileged")
		case s.Nr == unix.SYS_GETPID:
			calls = append(calls, "enter")
		case s.Nr == unix.SYS_SETUID:
			calls = append(calls, "setuid")
		case s.Nr == unix.SYS_CHDIR:
			calls = append(calls, "chdir")
		}
	}
	const want = "privileged privileged privileged privileged privileged enter chdir setuid chdir"
	if got := strings.Join(calls, " "); got != want {
		t.Errorf("the program does\n%s\nwant\n%s", got, want)
	}
}

// The program ends up with the user's ids only, without a way back to root.
func TestUserIDs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test changes user ids and needs root")
	}
	p := testProcess(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	member, err := MemberSteps(p, kmod.Entry{})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := IdentitySteps(p, kmod.Entry{}, OwnStreams)
	if err != nil {
		t.Fatal(err)
	}
	steps := append([]stage.Step{DupTo("take the pipe as output", int(w.Fd()), 1)}, member...)
	proc, err := StartProgram(t.Context(), &stage.Program{Steps: append(steps, identity.Steps()...), ExitCode: 99})
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := proc.Wait()
	want := fmt.Sprintf("1234 1234 1235 1235 [1236] <nil> %v\n", unix.EPERM)
	if err != nil || ws != 0 || string(out) != want {
		t.Errorf("the program says %q, %#x, %v; want %q", out, ws, err, want)
	}
}
