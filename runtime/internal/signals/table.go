package signals

// The one table: which signal is whose.

import (
	"slices"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/signame"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// whose says what becomes of a signal.
type whose uint8

const (
	// passed goes to the program. Go hands over the ones of a fault (SIGSEGV
	// and its like) only if kill(2) has sent them: its own faults stay its own.
	passed whose = iota
	// ending asks to end: it takes back what is being made, and goes to the
	// program once there is one.
	ending
	// own is runcell's, and is not caught.
	own
)

// exceptions are all signals that are not simply passed.
var exceptions = map[syscall.Signal]whose{
	unix.SIGHUP: ending, unix.SIGINT: ending, unix.SIGQUIT: ending, unix.SIGTERM: ending,

	unix.SIGKILL: own, unix.SIGSTOP: own, // nobody can catch them
	unix.SIGCHLD: own, // tells of runcell's own children
	unix.SIGURG:  own, // the Go runtime interrupts its threads by it
	unix.SIGPROF: own, // the Go runtime's profiler takes it in any case
	// The kernel's word to a job in the background that uses its terminal: runcell
	// ignores them, and does not use it there. Who catches them gets them for ever.
	unix.SIGTTIN: own, unix.SIGTTOU: own,
}

// Besides those that ask to end, few are caught before the program runs: each one
// costs the Go runtime two switches of threads (some 25 microseconds). The others follow
// then, and have no effect until then, or stop runcell alone.
var (
	// written is of own writes: to a stream that nobody reads they end a Go program.
	written = []syscall.Signal{unix.SIGPIPE}
	// typed are those that a terminal sends, or a shell with one.
	typed = []syscall.Signal{unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH}
	// sent are those that somebody may send a program which has just begun.
	sent = []syscall.Signal{unix.SIGUSR1, unix.SIGUSR2}
)

// atTerminal tells whether one of this process's streams is a terminal.
var atTerminal = func() bool { return term.IsTerminal(0) || term.IsTerminal(1) || term.IsTerminal(2) }

// Purpose is what signals are caught for.
type Purpose uint8

const (
	Ending  Purpose = iota // of a command
	Passing                // them on to a program, too
)

// early are the passed ones that are caught before a program runs.
func early(p Purpose) []syscall.Signal {
	list := slices.Clone(written)
	if atTerminal() {
		list = append(list, typed...)
	}
	if p == Passing {
		list = append(list, sent...)
	}
	return list
}

// late are the rest of the passed ones.
func late(early []syscall.Signal) []syscall.Signal {
	return slices.DeleteFunc(caught(passed), func(s syscall.Signal) bool { return slices.Contains(early, s) })
}

// Ends tells whether a signal is one by which people and service managers end
// a process.
func Ends(s syscall.Signal) bool { return exceptions[s] == ending }

// SIG_DFL and SIG_IGN.
const sigDfl, sigIgn = 0, 1

// caught lists the signals of a kind that Go can catch.
func caught(kind whose) []syscall.Signal {
	return list(func(s syscall.Signal) bool { return exceptions[s] == kind && catchable(s) })
}

// lost lists those that should be passed and can't be caught. Their default
// action is to end runcell, and the program would be left without anybody that
// waits for it: so they are ignored.
func lost() []syscall.Signal {
	return list(func(s syscall.Signal) bool { return exceptions[s] == passed && !catchable(s) })
}

func list(want func(syscall.Signal) bool) []syscall.Signal {
	var all []syscall.Signal
	for s := syscall.Signal(1); s <= signame.Last; s++ {
		if want(s) {
			all = append(all, s)
		}
	}
	return all
}
