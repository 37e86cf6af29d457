package process

// Standard descriptors that are the host's null device. A process that has
// one open can change the device's mode and owner, for the whole host.

import (
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// nullSteps replace such descriptors by the null device of the container's
// root, in which the child is by then, as a member of the cell: it opens what
// the cell may open. A root without one, and a cell that may open no device,
// keep them, since programs need the three descriptors.
func (s Streams) nullSteps() ([]stage.Step, error) {
	fds := s.null()
	if len(fds) == 0 {
		return nil, nil
	}
	own := &[1]int32{-1}
	open, err := inroot.OpenStep("open the container's /dev/null", "/dev/null", unix.O_RDWR|unix.O_NOCTTY, own)
	if err != nil {
		return nil, err
	}
	open.Tolerate = [3]unix.Errno{unix.ENOENT, unix.EACCES, unix.EPERM}
	steps := []stage.Step{open}
	for _, fd := range fds {
		dup := stage.Sys(fmt.Sprintf("make the container's /dev/null descriptor %d", fd), unix.SYS_DUP3,
			uintptr(unsafe.Pointer(own)), uintptr(fd), 0)
		dup.From[0], dup.Keep = stage.Load32, []any{own}
		dup.Tolerate[0] = unix.EBADF // it was not opened
		steps = append(steps, dup)
	}
	done := stage.Sys("close the container's /dev/null", unix.SYS_CLOSE, uintptr(unsafe.Pointer(own)))
	done.From[0], done.Keep = stage.Load32, []any{own}
	done.Tolerate[0] = unix.EBADF
	return append(steps, done), nil
}

// null lists the standard descriptors that are a null device.
func (s Streams) null() []int {
	var null, st unix.Stat_t
	if unix.Stat("/dev/null", &null) != nil {
		return nil
	}
	var fds []int
	for fd, ours := range s {
		if unix.Fstat(ours, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == null.Rdev {
			fds = append(fds, fd)
		}
	}
	return fds
}
