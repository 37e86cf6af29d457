package signame

// Names and numbers, on this system and on others.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Last is the highest signal number (Linux 64, NetBSD 63).
const Last = lastRealtime

// lastAnywhere is Linux's, the highest of the systems that images are for.
const lastAnywhere = 64

// Parse reads a signal of this system as kill(1) does: a number from 0, or a name in
// any case, with or without SIG; real-time signals are RTMIN, RTMIN+3, RTMAX-1 and
// their like, as in image-spec, config.md, "StopSignal".
func Parse(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > Last {
			return 0, fmt.Errorf("unknown signal %q: numbers go from 0 to %d", s, Last)
		}
		return syscall.Signal(n), nil
	}
	name := full(s)
	for _, name := range []string{name, aliases[name]} {
		if sig := unix.SignalNum(name); sig != 0 {
			return sig, nil
		}
	}
	if sig, ok := realtime(name); ok {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q: use a name such as TERM or a number", s)
}

// Known tells whether Parse reads a signal here or on another system that images are
// for. None is not known: 0 only asks whether a process is there.
func Known(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= lastAnywhere
	}
	_, err := Parse(s)
	return err == nil || slices.Contains(elsewhere, full(s))
}

// full is a name as unix.SignalNum has it.
func full(s string) string {
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	return name
}

// realtime reads the name of a real-time signal: an end of their range, and how far
// into it.
func realtime(name string) (syscall.Signal, bool) {
	for _, end := range []struct {
		name   string
		sig    int
		sign   byte
		inward int
	}{{"SIGRTMIN", firstRealtime, '+', 1}, {"SIGRTMAX", lastRealtime, '-', -1}} {
		rest, ok := strings.CutPrefix(name, end.name)
		if !ok {
			continue
		}
		if rest == "" {
			return syscall.Signal(end.sig), true
		}
		n, err := strconv.ParseUint(rest[1:], 10, 8)
		if err != nil || rest[0] != end.sign || int(n) > lastRealtime-firstRealtime {
			return 0, false
		}
		return syscall.Signal(end.sig + end.inward*int(n)), true
	}
	return 0, false
}
