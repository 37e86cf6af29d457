package process

// How a thread and its children stand to a cell on the emulator's host.

import (
	"fmt"
	"os"
	"strconv"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

var isMainThread = func() bool { return unix.Gettid() == unix.Getpid() }

// EnterSteps has nothing to do: a child of such a thread is in the root.
func EnterSteps(*inroot.Dir) []stage.Step { return nil }

// DupTo makes a descriptor the child's descriptor to (dup3(2)).
func DupTo(name string, from, to int) stage.Step {
	return stage.OnFD(name, unix.SYS_DUP3, from, uintptr(to), 0)
}

// JoinFirst moves the children that the calling thread forks from now on into
// the namespaces of a cell's first process, which has not been reaped. The mount
// namespace is the thread's own already: it has made the cell's.
var JoinFirst = func(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open pidfd: %w", err)
	}
	defer sys.CloseFD(pidfd)
	if err := unix.Setns(pidfd, unix.CLONE_NEWPID|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("join the cell's namespaces: %w", err)
	}
	return nil
}

// Strangers lists the processes that share the pid namespace of a cell's first
// process and have not ended: before the program runs, what hooks have left there.
var Strangers = func(first int) ([]int, error) {
	var own, its unix.Stat_t
	look := func(pid int, ns *unix.Stat_t) error { return unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), ns) }
	if err := look(first, &own); err != nil {
		return nil, fmt.Errorf("find the cell's pid namespace: %w", err)
	}
	entries, err := os.ReadDir("/proc") //nolint:forbidigo // the host's
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == first {
			continue
		}
		// One that can't be looked at has more rights than we have to give.
		if look(pid, &its) != nil || its.Dev != own.Dev || its.Ino != own.Ino {
			continue
		}
		if _, lives, err := sys.StartTime(pid); err != nil {
			return nil, err
		} else if lives {
			list = append(list, pid)
		}
	}
	return list, nil
}

// FirstPid is the pid of every container's first process, as its program sees it.
const FirstPid = 1

// InsidePid is the first process's pid as the container sees it.
func InsidePid(int) int { return FirstPid }
