package netbsd

// Names of signals, sys/signal.h.

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Real-time signals have numbers only: SIGRTMIN and SIGRTMAX.
const (
	firstRealtime = 33
	lastRealtime  = 63
)

// Signals are the signals by name, without SIG. Real-time signals are RTMIN,
// RTMIN+1 and so on to the middle, then RTMAX-15 to RTMAX, as on Linux.
func Signals() map[string]syscall.Signal {
	all := map[string]syscall.Signal{}
	for s := syscall.Signal(1); s < firstRealtime; s++ {
		if name := unix.SignalName(s); len(name) > 3 {
			all[name[3:]] = s
		}
	}
	all["IOT"] = syscall.SIGIOT
	all["CLD"] = syscall.SIGCHLD
	all["POLL"] = syscall.SIGIO
	for s := syscall.Signal(firstRealtime); s <= lastRealtime; s++ {
		all[realtimeName(s)] = s
	}
	return all
}

func realtimeName(s syscall.Signal) string {
	switch up, down := int(s)-firstRealtime, lastRealtime-int(s); {
	case up == 0:
		return "RTMIN"
	case down == 0:
		return "RTMAX"
	case up <= down:
		return fmt.Sprintf("RTMIN+%d", up)
	default:
		return fmt.Sprintf("RTMAX-%d", down)
	}
}

// NotForOthers says that a program gets this signal from its own Go runtime,
// and must not pass it on to a process that it stands for: SIGURG, by which the
// runtime interrupts its threads.
func NotForOthers(s syscall.Signal) bool { return s == syscall.SIGURG }
