package signame

// Linux's real-time signals. The first two are kept by C libraries for themselves
// (signal(7), "Real-time signals").

const (
	firstRealtime = 34
	lastRealtime  = 64
)
