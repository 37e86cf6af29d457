package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/runtime"
	"golang.org/x/sys/unix"
)

// slack is a process's timer slack, in nanoseconds.
func (b *box) slack(pid string) int {
	b.t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/timerslack_ns")
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// Processes in a container have the timer slack of who has called runcell, which
// changes its own.
func TestTimerSlack(t *testing.T) {
	b := newBox(t)
	const own = 70_000 // nobody's default
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	set := func(ns uintptr) {
		if _, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, ns, 0, 0, 0, 0); errno != 0 {
			t.Error(errno)
		}
	}
	set(own)
	defer set(0) // as it was
	b.ok("run", "--detach", "c")
	var s runtime.State
	if err := json.Unmarshal([]byte(b.ok("state", "c")), &s); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	b.ok("exec", "--detach", "--pid-file", file, "c", "/probe", "sleep")
	other, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	for i, pid := range []string{strconv.Itoa(s.Pid), string(other)} {
		if got := b.slack(pid); got != own {
			t.Errorf("process %d has the timer slack %d; want its caller's, %d", i, got, own)
		}
	}
	b.ok("delete", "--force", "c")
}
