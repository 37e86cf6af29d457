package emulator

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// linuxHas tells whether this kernel is of a version or later.
func linuxHas(t *testing.T, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &a, &b); err != nil {
		t.Fatal(err)
	}
	return a > major || a == major && b >= minor
}

// Whose status is known: a zombie's, and that of one who was reaped while its
// descriptor was open, if the kernel keeps it.
func TestWaitKnowsTheStatus(t *testing.T) {
	keeps := linuxHas(t, 6, 15)
	self, err := identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own, err := self.open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(own) }()
	for _, fd := range []int{own, -1} {
		if got, err := self.status(fd); !errors.Is(err, errGone) {
			t.Errorf("status of one that runs, by descriptor %d: %#x, %v; want none", fd, got, err)
		}
	}
	if exitInfo(own) != keeps || exitInfo(-1) {
		t.Errorf("exitInfo = %v, of nothing %v; want %v, and false", exitInfo(own), exitInfo(-1), keeps)
	}

	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"probe", "exit=3"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := p.open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if ended, err := poll(fd, time.Minute); !ended || err != nil {
		t.Fatalf("poll = %v, %v", ended, err)
	}
	if got, err := p.status(fd); got != 3<<8 || err != nil {
		t.Errorf("status of a zombie = %#x, %v; want %#x", got, err, 3<<8)
	}
	_ = cmd.Wait()
	got, err := p.status(fd)
	if keeps && (got != 3<<8 || err != nil) || !keeps && !errors.Is(err, errGone) {
		t.Errorf("status of one that was reaped = %#x, %v; kept by this kernel: %v", got, err, keeps)
	}
}

func TestWaitRefuses(t *testing.T) {
	h := newHost(t)
	if _, err := h.Wait(t.Context(), h.cell(kmod.Spec{})); !errors.Is(err, kmod.ErrUnsupported) || !strings.Contains(err.Error(), "it has no process yet") {
		t.Errorf("Wait for a cell that nobody has entered = %v", err)
	}
	p := newHostAs(t, Published)
	if _, err := p.Wait(t.Context(), p.cell(publishedSpec(policy.Low))); !errors.Is(err, kmod.ErrUnsupported) || !strings.Contains(err.Error(), kmod.Published().ExitStatus.Reason) {
		t.Errorf("Wait as the published module = %v; want %q", err, kmod.Published().ExitStatus.Reason)
	}
}

// A status that cannot be kept is an error, unless the cell has gone meanwhile.
func TestWaitKeepsTheStatus(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{})
	if err := h.keepStatus(id, 7); err != nil {
		t.Error(err)
	}
	x, err := h.lookup(id)
	if err != nil || x.Status == nil || *x.Status != 7 {
		t.Errorf("the cell = %+v, %v; want its status", x, err)
	}
	if err := h.keepStatus(id+1, 7); err != nil {
		t.Errorf("of no cell: %v", err)
	}
	table, err := h.table()
	if err != nil {
		t.Fatal(err)
	}
	file := namePath(table, "cell")
	whole := written(t, file)
	if err := os.WriteFile(file, []byte("odd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.keepStatus(id, 7); err == nil || errors.Is(err, kmod.ErrNotFound) {
		t.Errorf("of a cell that cannot be read: %v", err)
	}
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
}
