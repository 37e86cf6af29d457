package signame

// Linux's real-time signals as glibc counts them, which keeps two for itself (signal(7),
// "Real-time signals"), and as other tools do. musl keeps three.

const (
	firstRealtime = 34
	lastRealtime  = 64
)

// elsewhere are signals that only another system has: an image may be for that.
var elsewhere = []string{"SIGEMT", "SIGINFO"}

// aliases are signals' names that the table of x/sys has not, and those that it has.
var aliases = map[string]string{"SIGIOT": "SIGABRT", "SIGCLD": "SIGCHLD", "SIGPOLL": "SIGIO"}
