package signame

// NetBSD's real-time signals, SIGRTMIN and SIGRTMAX of sys/signal.h.

const (
	firstRealtime = 33
	lastRealtime  = 63
)
