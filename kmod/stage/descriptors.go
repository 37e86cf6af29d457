//go:build linux || netbsd

package stage

// Which of its parent's descriptors a child has. They lead to the host, and
// whoever may look at the child has them too (CVE-2016-9962, CVE-2024-21626):
// so it has those that its steps work with, and closes all others first. Which
// those are is read off the steps, so that none can be forgotten.

import (
	"fmt"
	"slices"
)

// kept lists, ascending, the descriptors that the child needs. A system call
// that has no row in descriptorsOf is refused: it could need some.
func (p *Program) kept() ([]int, error) {
	var fds []int
	for fd := range p.Inherit {
		fds = append(fds, fd)
	}
	for i := range p.Steps {
		used, err := p.Steps[i].uses()
		if err != nil {
			return nil, fmt.Errorf("stage step %d: %w", i, err)
		}
		fds = append(fds, used...)
	}
	for _, fd := range p.Report {
		if fd > 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return slices.Compact(fds), nil
}

// uses lists the parent's descriptors that the step works with: those that are
// numbers, or lie in memory by now. What a step stores for a later one is the
// child's own.
func (s *Step) uses() ([]int, error) {
	if s.Kind == Same {
		return nil, nil
	}
	args, ok := descriptorsOf[s.Nr]
	if !ok {
		return nil, fmt.Errorf("%q: system call %d has no row in the table of those that take descriptors", s.Name, s.Nr)
	}
	var fds []int
	for _, i := range args {
		fd := -1
		switch s.From[i] {
		case Value:
			fd = int(int32(s.Args[i])) // AT_FDCWD is negative
		case Load32:
			fd = int(*(*int32)(pointer(s.Args[i])))
		}
		if fd >= 0 {
			fds = append(fds, fd)
		}
	}
	return fds, nil
}

// span is a range of descriptors, both ends included.
type span struct{ first, last uint32 }

// lastDescriptor is the end of the last span: higher than any descriptor.
const lastDescriptor = ^uint32(0)

// gaps are the ranges between kept descriptors, the last one without an end.
func gaps(kept []int) []span {
	var list []span
	next := uint32(0)
	for _, fd := range kept {
		if uint32(fd) > next {
			list = append(list, span{next, uint32(fd) - 1})
		}
		next = uint32(fd) + 1
	}
	return append(list, span{next, lastDescriptor})
}
