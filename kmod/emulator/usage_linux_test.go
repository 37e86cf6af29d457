package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

func TestUsage(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{MaxProcesses: 9})
	first := h.start(id, "wait")
	first.line()
	second := h.start(id, "wait")
	second.line()
	members, err := h.Members(id)
	if err != nil || len(members) != 2 {
		t.Fatalf("Members = %+v, %v; want 2", members, err)
	}
	for _, m := range members {
		if m.Pid != first.pid && m.Pid != second.pid || m.Parent == 0 || m.Memory == 0 || m.Command == "" || m.UID != 0 {
			t.Errorf("member %+v; want process %d or %d with its memory and name", m, first.pid, second.pid)
		}
	}
	s, err := h.Stats(id)
	if err != nil || s.Processes != 2 || s.MaxProcesses != 9 || s.Memory < members[0].Memory || s.CPU.Total <= 0 || s.Denials != nil {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	// What processes have used stays counted when they have ended.
	if err := syscall.Kill(second.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if second.end(); cgroupV2() != "" {
		after, err := h.Stats(id)
		if err != nil || after.Processes != 1 || after.CPU.Total < s.CPU.Total {
			t.Errorf("Stats after an end = %+v, %v; before %+v", after, err, s)
		}
	}
	h.end(id)
}

// A limit holds for members that were there before it.
func TestLimitOfARunningCell(t *testing.T) {
	h := newHost(t)
	if s := h.can().MaxProcesses; s.Level != kmod.Enforced {
		t.Fatalf("this machine cannot limit processes: %s", s.Reason)
	}
	id := h.cell(kmod.Spec{})
	first := h.start(id, "wait")
	first.line()
	if err := h.Limit(id, 10); err != nil {
		t.Fatal(err)
	}
	x, err := h.lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	if pids, err := cgroupProcesses(cmp.Or(x.Pids, x.Cgroup)); err != nil || !slices.Contains(pids, first.pid) {
		t.Errorf("the limit is for %v, %v; want %d among them", pids, err, first.pid)
	}
	if s, err := h.Stats(id); err != nil || s.MaxProcesses != 10 {
		t.Errorf("Stats = %+v, %v; want the limit 10", s, err)
	}
	if out, _ := h.start(id, "bomb").output(); out != "bomb EAGAIN\n" {
		t.Errorf("fork without end = %q; want EAGAIN", out)
	}
	if err := h.Limit(id, 0); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Stats(id); err != nil || s.MaxProcesses != 0 {
		t.Errorf("Stats = %+v, %v; want no limit", s, err)
	}
	h.end(id)
	if err := h.Limit(id, 1); !errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("Limit of a cell that is gone = %v; want ErrNotFound", err)
	}
}

func TestPublishedModuleHasNoLimit(t *testing.T) {
	h := newHostAs(t, Published)
	if err := h.Limit(h.cell(publishedSpec(0)), 3); !errors.Is(err, kmod.ErrUnsupported) {
		t.Errorf("Limit = %v; want ErrUnsupported", err)
	}
}

const (
	oneStat = "42 (a) b\n) S 7 42 42 0 -1 4194560 100 200 0 0 150 50 25 5 20 0 1 0 99 1000 3 18446744073709551615\n"
	oneUser = "Name:\tx\nUid:\t1\t2\t3\t4\n"
)

func TestParseMember(t *testing.T) {
	m, err := parseMember([]byte(oneStat))
	want := kmod.Member{
		Parent: 7, Memory: 3 * uint64(os.Getpagesize()), Command: "a) b\n",
		CPU: kmod.CPU{Total: 2300 * time.Millisecond, User: 1750 * time.Millisecond, System: 550 * time.Millisecond},
	}
	if err != nil || m != want {
		t.Errorf("parseMember = %+v, %v; want %+v", m, err, want)
	}
	const rest = " S 7 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 3"
	if m, err := parseMember([]byte("42 ()" + rest)); err != nil || m.Command != "" || m.Parent != 7 {
		t.Errorf("parseMember of no name = %+v, %v", m, err)
	}
	for _, s := range []string{
		"", "42 a)" + rest, "42 (a" + rest, "42 )a(" + rest, // no command
		"42 (a)" + strings.TrimSuffix(rest, " 3"), // a field less
		strings.Replace("42 (a)"+rest, "7", "x", 1), strings.Replace("42 (a)"+rest, " 3", " x", 1),
	} {
		if m, err := parseMember([]byte(s)); err == nil || m != (kmod.Member{}) {
			t.Errorf("parseMember(%q) = %+v, %v; want an error", s, m, err)
		}
	}
}

func TestUsageWhose(t *testing.T) {
	for s, want := range map[string]string{
		oneUser:                 "2, <nil>",
		"Uid:\t0\t4294967294\n": "4294967294, <nil>", // as short as it may be
		"Name:\tUid:\n":         "no user id in status",
		"Uid:\t1\n":             "no user id in status",
		"Uid:\t1\tx\n":          "invalid syntax",
		"Uid:\t1\t4294967296\n": "value out of range",
	} {
		uid, err := effectiveUID([]byte(s))
		if got := fmt.Sprintf("%v, %v", uid, err); !strings.Contains(got, want) {
			t.Errorf("effectiveUID(%q) = %s; want %s", s, got, want)
		}
	}
	// A user's process: his id is read if it is asked for.
	cmd := exec.Command(userProgram(t))
	cmd.Args, cmd.Dir = []string{"probe", "sleep"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	for users, want := range map[bool]uint32{true: 1000, false: 0} {
		if m, err := readMember(cmd.Process.Pid, users); err != nil || m.UID != want || m.Pid != cmd.Process.Pid {
			t.Errorf("readMember(users %v) = %+v, %v; want uid %d", users, m, err, want)
		}
	}
	// Who has ended since the list was made is left out.
	x := &cell{Cgroup: hierarchy(t, map[string]string{"cgroup.procs": fmt.Sprintf("%d\n%d\n", nobody, cmd.Process.Pid)})}
	if list, err := x.members(true); err != nil || len(list) != 1 || list[0].Pid != cmd.Process.Pid {
		t.Errorf("members = %+v, %v; want %d", list, err, cmd.Process.Pid)
	}
}

func TestUsageTogether(t *testing.T) {
	got := sum([]kmod.Member{
		{Pid: 1, Memory: 10, CPU: kmod.CPU{Total: 5, User: 3, System: 2}},
		{Pid: 2, Memory: 20, CPU: kmod.CPU{Total: 7, User: 3, System: 4}},
	})
	want := kmod.Stats{Processes: 2, Memory: 30, CPU: kmod.CPU{Total: 12, User: 6, System: 6}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sum = %+v; want %+v", got, want)
	}
	// What is in the current directory is no cell's.
	t.Chdir(hierarchy(t, map[string]string{"cpu.stat": "usage_usec 7\nuser_usec 4\nsystem_usec 3\n"}))
	if cpu, err := cgroupCPU("."); err != nil || cpu.Total != 7*time.Microsecond {
		t.Errorf("cgroupCPU = %+v, %v", cpu, err)
	}
	if cpu, err := cgroupCPU(""); err == nil {
		t.Errorf("cgroupCPU of no cgroup = %+v", cpu)
	}
}

func TestParseCPU(t *testing.T) {
	for s, want := range map[string]string{
		"usage_usec 7\nuser_usec 4\nsystem_usec 3\nnice_usec 0\n":          "{7µs 4µs 3µs}, <nil>",
		"usage_usec 7\nuser_usec 4\n":                                      "{0s 0s 0s}, parse cpu.stat: fields are missing",
		"usage_usec -7\n":                                                  `{0s 0s 0s}, parse cpu.stat: usage_usec "-7"`,
		"usage_usec 9223372036854775\nuser_usec 4\nsystem_usec 3\n":        "{2562047h47m16.854775s 4µs 3µs}, <nil>",
		"usage_usec 9223372036854776\nuser_usec 4\nsystem_usec 3\n":        `{0s 0s 0s}, parse cpu.stat: usage_usec "9223372036854776"`,
		"usage_usec 99999999999999999\nuser_usec 4\nsystem_usec 3\n":       `{0s 0s 0s}, parse cpu.stat: usage_usec "99999999999999999"`,
		"usage_usec 1\nusage_usec 2\nuser_usec 0\nsystem_usec 0\nx\n\n \n": "{1µs 0s 0s}, <nil>",
	} {
		cpu, err := parseCPU(s)
		if got := fmt.Sprintf("%v, %v", cpu, err); got != want {
			t.Errorf("parseCPU(%q) = %s; want %s", s, got, want)
		}
	}
}

func FuzzParseMember(f *testing.F) {
	f.Add([]byte(oneStat), []byte(oneUser))
	f.Fuzz(func(t *testing.T, stat, status []byte) {
		_, _ = effectiveUID(status)
		m, err := parseMember(stat)
		if err == nil && !slices.Contains(stat, ')') {
			t.Fatalf("accepted %+v", m)
		}
	})
}
