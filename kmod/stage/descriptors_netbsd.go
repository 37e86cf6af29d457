package stage

// How a child closes what is not its own.

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// fCloseM is F_CLOSEM of fcntl(2), absent from x/sys: close this descriptor and
// all above.
const fCloseM = 10

// shutSteps close everything in the gaps. A process outside of the cell can't
// be looked at from inside, so this is in time when it comes before the entry;
// and afterwards none of it can be debugged, as root's.
func shutSteps(gaps []span) []Step {
	var steps []Step
	for _, g := range gaps {
		if g.last == lastDescriptor {
			s := Sys("", unix.SYS_FCNTL, uintptr(g.first), fCloseM, 0)
			s.Tolerate[0] = syscall.EBADF // there is none
			steps = append(steps, s)
			continue
		}
		for fd := g.first; fd <= g.last; fd++ {
			s := Sys("", unix.SYS_CLOSE, uintptr(fd))
			s.Tolerate[0] = syscall.EBADF
			steps = append(steps, s)
		}
	}
	return steps
}

func (Fork) own([]int) error { return nil }

func (Fork) disown() error { return nil }
