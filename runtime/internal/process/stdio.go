package process

// The standard descriptors that become the user's.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// GiveSteps give pipes and files among the standard descriptors to the
// process's user, who could not open /dev/stdout otherwise: that leads through
// /proc to an open(2) of the file anew. A file that is open for reading only
// stays its owner's, who could write to it. Devices do too: the null device and
// the caller's terminal are the whole host's. They come before the child is a
// member of the cell.
func (s Streams) GiveSteps(p *oci.Process) []stage.Step {
	if p.Terminal {
		return nil
	}
	var steps []stage.Step
	for fd, ours := range s {
		if !givable(ours, p.UID) {
			continue
		}
		const keep = ^uintptr(0) // the group
		give := stage.OnFD(fmt.Sprintf("give descriptor %d to process.user.uid %d", fd, p.UID), unix.SYS_FCHOWN, fd, uintptr(p.UID), keep)
		// An immutable file, a read-only file system, an id that a user namespace
		// doesn't map: the program has the descriptor all the same.
		give.Tolerate = [3]unix.Errno{unix.EPERM, unix.EROFS, unix.EINVAL}
		steps = append(steps, give)
	}
	return steps
}

func givable(fd int, uid uint32) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Uid == uid {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return true
	case unix.S_IFREG:
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
	}
	return false
}
