package process

// How often the Go runtime looks after its threads. One thread of it, sysmon,
// sleeps 20 microseconds at a time while any other works, and so takes a tenth of
// the CPU time of a command that lasts some milliseconds, and half of its switches
// of the context. The kernel may end a sleep later by the thread's timer slack
// (PR_SET_TIMERSLACK(2const)): then it wakes within a millisecond, which is still a
// tenth of the time after which it would take a processor away from anybody.

import (
	"strconv"

	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	// watcherSlack is like nobody else's, so that one that is inherited from
	// another runcell is not taken for the caller's.
	watcherSlack = 999_983 // ns
	defaultSlack = 50_000  // Linux's own
)

// ordinarySlack is the caller's, which the children of this process are to have;
// 0 = nothing was changed.
var ordinarySlack uintptr

// Calm slows the watcher down. It is for a process that ends with its command.
var Calm = func() {
	own, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0, 0, 0, 0)
	if errno != 0 {
		return
	}
	if own == watcherSlack {
		own = defaultSlack
		setSlack(own)
	}
	if tid := watcher(); tid != 0 && sys.WriteFile("/proc/"+strconv.Itoa(tid)+"/timerslack_ns", strconv.AppendInt(nil, watcherSlack, 10), 0) == nil {
		ordinarySlack = own
	}
}

// watcher is the first thread that the Go runtime has made: its number comes soon
// after the process's, but for those of others that began at the same time. 0 is
// that of none. The list of threads in /proc would cost as much as is gained.
func watcher() (tid int) {
	pid := unix.Getpid()
	const most = 64
	for i := range most {
		if tid := pid + 1 + i; unix.Tgkill(pid, tid, 0) == nil {
			return tid
		}
	}
	return 0
}

// forgetSlack gives the calling thread the ordinary one: it may have been made by
// the watcher, and its children inherit it.
var forgetSlack = func() {
	if ordinarySlack != 0 {
		setSlack(ordinarySlack)
	}
}

func setSlack(ns uintptr) {
	_, _, _ = unix.Syscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, ns, 0, 0, 0, 0)
}
