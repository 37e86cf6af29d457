package main

// The log goes to containerd's, through a FIFO that nobody reads while
// containerd is away: then it is full some time, and what does not fit is
// dropped.

import (
	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

// lossy writes to a descriptor that does not block.
type lossy int

// Write never fails: a log is no reason to stop.
func (fd lossy) Write(b []byte) (int, error) {
	_, _ = unix.Write(int(fd), b)
	return len(b), nil
}

func logTo(fd int, debug bool) {
	_ = unix.SetNonblock(fd, true)
	log.L.Logger.SetOutput(lossy(fd))
	level := log.WarnLevel
	if debug {
		level = log.DebugLevel
	}
	_ = log.SetLevel(level.String())
}
