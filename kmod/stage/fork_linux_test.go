package stage

import (
	"errors"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestCgroupOfTheChild(t *testing.T) {
	for _, c := range []struct {
		fork   Fork
		flags  uint64
		cgroup uint64
	}{
		{Fork{}, 0, 0},
		{Fork{Flags: unix.CLONE_NEWNS, Cgroup: 5}, unix.CLONE_NEWNS | unix.CLONE_INTO_CGROUP, 5},
	} {
		var child childFork
		child.prepare(c.fork)
		if child.args.flags != c.flags|unix.CLONE_CLEAR_SIGHAND || child.args.cgroup != c.cgroup {
			t.Errorf("%+v: flags %#x, cgroup %d", c.fork, child.args.flags, child.args.cgroup)
		}
	}
}

// A child that could not be made leaves nothing.
func TestNotForked(t *testing.T) {
	p := &Program{Fork: Fork{Flags: unix.CLONE_NEWNS | unix.CLONE_FS}, Steps: []Step{BirthStep("be born")}}
	if pid, err := p.Start(); !errors.Is(err, unix.EINVAL) || pid != 0 || p.place != nil {
		t.Errorf("Start = %d, %v, with memory for a birth: %v; want EINVAL", pid, err, p.place != nil)
	}
}

// Handlers that Go knows nothing of, as of the program that embeds it, do not
// run in a child.
func TestForeignHandlerIsNotTheChilds(t *testing.T) {
	const foreign = syscall.Signal(34) // Go does not handle it
	type action struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	set := func(a *action) (old action) {
		if _, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(foreign), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&old)), 8, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		return old
	}
	old := set(&action{handler: 4096}) // where nothing is
	defer set(&old)
	pid := Sys("getpid", syscall.SYS_GETPID)
	pid.Save = 1
	die := Sys("kill", syscall.SYS_KILL, 1, uintptr(foreign))
	die.From[0] = Reg
	if ws, err := start(t, &Program{Steps: []Step{pid, die}, ExitCode: 7}); err != nil || ws.Signal() != foreign {
		t.Errorf("ended by %v, %v; want signal %d", ws.Signal(), err, foreign)
	}
}
