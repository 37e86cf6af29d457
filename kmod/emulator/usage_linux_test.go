package emulator

import (
	"errors"
	"fmt"
	"slices"
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
	h.start(id, "wait").line()
	if err := h.Limit(id, 10); err != nil {
		t.Fatal(err)
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
	if err == nil {
		m.UID, err = effectiveUID([]byte(oneUser))
	}
	want := kmod.Member{
		Parent: 7, UID: 2, Memory: m.Memory, Command: "a) b\n",
		CPU: kmod.CPU{Total: 2300 * time.Millisecond, User: 1750 * time.Millisecond, System: 550 * time.Millisecond},
	}
	if err != nil || m != want || m.Memory == 0 {
		t.Errorf("parseMember = %+v, %v; want %+v", m, err, want)
	}
}

func TestParseCPU(t *testing.T) {
	for s, want := range map[string]string{
		"usage_usec 7\nuser_usec 4\nsystem_usec 3\nnice_usec 0\n":          "{7µs 4µs 3µs}, <nil>",
		"usage_usec 7\nuser_usec 4\n":                                      "{0s 0s 0s}, parse cpu.stat: fields are missing",
		"usage_usec -7\n":                                                  `{0s 0s 0s}, parse cpu.stat: usage_usec "-7"`,
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
