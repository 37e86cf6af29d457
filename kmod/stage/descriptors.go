//go:build linux || netbsd

package stage

// Which of its parent's descriptors a child has. They lead to the host, and
// whoever may look at the child has them too (CVE-2016-9962, CVE-2024-21626):
// so it has those that are named, and closes all others first.

import "slices"

// kept lists, ascending, the descriptors that the child needs.
func (p *Program) kept() []int {
	var fds []int
	for fd := range p.Inherit {
		fds = append(fds, fd)
	}
	for _, s := range p.Steps {
		fds = append(fds, s.Uses...)
	}
	for _, fd := range p.Report {
		if fd > 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return slices.Compact(fds)
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
