package signame

// Linux's real-time signals. The first two are kept by C libraries for themselves
// (signal(7), "Real-time signals").

const (
	firstRealtime = 34
	lastRealtime  = 64
)

// elsewhere are signals that only another system has: an image may be for that.
var elsewhere = []string{"SIGEMT", "SIGINFO"}
