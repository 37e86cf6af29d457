package process

// What becomes a process's standard descriptors.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Streams are descriptors of ours that become a child's first three.
type Streams [3]int

// OwnStreams are our own, which a child has anyway.
var OwnStreams = Streams{0, 1, 2}

// Close closes what is not our own.
func (s Streams) Close() {
	for i, fd := range s {
		if fd != i {
			sys.CloseFD(fd)
		}
	}
}

// TakeSteps make them the child's, which comes before all steps that look at
// these.
func (s Streams) TakeSteps() []stage.Step {
	var steps []stage.Step
	for i, fd := range s {
		if fd != i {
			steps = append(steps, DupTo(fmt.Sprintf("take descriptor %d", i), fd, i))
		}
	}
	for i, fd := range s {
		if fd != i {
			steps = append(steps, stage.OnFD(fmt.Sprintf("let go of what became descriptor %d", i), unix.SYS_CLOSE, fd))
		}
	}
	return steps
}
