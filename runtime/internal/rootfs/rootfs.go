// Package rootfs builds a container's root from the Plan: on NetBSD as mounts of
// the host, before there is a cell; on the emulator's host in the cell's mount
// namespace, while the child waits. It also knows the steps that take the child
// into the root.
//
// It never hands the kernel a path that leads through a root (see inroot), and
// never writes the container's record: it is told how to have a mount recorded.
package rootfs

import (
	"github.com/netbsd-cells/runcell/oci"
)

// Options say what root to build, and for whom.
type Options struct {
	Plan     *oci.Plan
	Bundle   string                        // absolute
	Source   string                        // the root file system, without links
	NoPivot  bool                          // move the root instead of pivot_root(2); emulator only
	StateDir string                        // the container's
	Record   func(mountPoint string) error // called before a path of the host is mounted on
	Recorded func() []string               // what it was called with
}

// Builder is a root that is not there before its cell is: it is built around
// the child, by a thread that belongs to the cell's mount namespace.
type Builder interface {
	// Attach makes the root a mount of its own, before the child is forked.
	Attach() error
	// Populate mounts and makes everything in it. procFD is the child's proc
	// mount, which it closes; -1 = the Plan has none.
	Populate(procFD int) error
	// Finish opens the terminal, whose slave is for the child (-1 = none),
	// hides and freezes what the config says, and makes the root the
	// namespace's "/".
	Finish() (slave int, err error)
}

// Unmount takes a root back that was not handed to a container. It closes it
// first: an open directory keeps a mount busy.
func (f *Root) Unmount() error {
	f.Close()
	return Unmount(f.o.StateDir, f.o.Recorded(), false)
}

// Unmount unmounts whatever the host has left of a container's mounts: recorded
// ones, and those below its state directory. Checked are those of a container that was
// created to its end. Without any it does nothing.
func Unmount(stateDir string, recorded []string, checked bool) error {
	if unmountHost == nil {
		return nil
	}
	return unmountHost(stateDir, recorded, checked)
}

// HostPath is the root as the kernel is told of it: the first recorded mount,
// or the source itself where mounts are no matter of the host's.
func HostPath(source string, recorded []string) string {
	if len(recorded) > 0 {
		return recorded[0]
	}
	return source
}

// JoinedPath is the root as a thread sees it that has joined the cell.
func JoinedPath(source string, recorded []string) string {
	if joinedRoot != "" {
		return joinedRoot
	}
	return HostPath(source, recorded)
}
