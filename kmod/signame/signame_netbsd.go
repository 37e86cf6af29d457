package signame

// NetBSD's real-time signals, SIGRTMIN and SIGRTMAX of sys/signal.h.

const (
	firstRealtime = 33
	lastRealtime  = 63
)

// elsewhere are signals that only another system has: an image may be for that.
var elsewhere = []string{"SIGSTKFLT"}

// aliases are signals' names that the table of x/sys has not, and those that it has.
var aliases = map[string]string{"SIGABRT": "SIGIOT", "SIGCLD": "SIGCHLD", "SIGPOLL": "SIGIO"}
