package stage

// How a child closes what is not its own.

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// shutSteps close everything in the gaps, and keep the child's memory and
// descriptors from whoever may not debug all of root's processes. The exec
// makes the process an ordinary one again.
func shutSteps(gaps []span) []Step {
	steps := []Step{Sys("", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)}
	for _, g := range gaps {
		steps = append(steps, Sys("", unix.SYS_CLOSE_RANGE, uintptr(g.first), uintptr(g.last), 0))
	}
	return steps
}

// own gives the calling thread a table of its own that has only what the child
// is to have, and what the fork itself needs: so the child never has more, not
// even before its first step.
func (f Fork) own(kept []int) error {
	if !f.OwnTable {
		return nil
	}
	if f.Cgroup > 0 {
		kept = append(kept, f.Cgroup)
		slices.Sort(kept)
	}
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return fmt.Errorf("unshare descriptors: %w", err)
	}
	return closeGaps(gaps(kept))
}

// disown closes the thread's own table: who waits for a pipe's end does not
// wait for this thread.
func (f Fork) disown() error {
	if !f.OwnTable {
		return nil
	}
	return closeGaps(gaps(nil))
}

func closeGaps(gaps []span) error {
	for _, g := range gaps {
		if err := unix.CloseRange(uint(g.first), uint(g.last), 0); err != nil {
			return fmt.Errorf("close descriptors: %w", err)
		}
	}
	return nil
}
