package inroot

// Steps of a child between fork and exec that need a root. A step is data: the
// descriptor in it is used by the child alone, for what the step says.

import (
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// ChdirStep makes the directory, which must stay open until the child has
// started, the child's working directory.
func (d *Dir) ChdirStep(name string) stage.Step {
	s := stage.OnFD(name, unix.SYS_FCHDIR, int(d.fd))
	s.Keep = []any{d}
	return s
}

// CloseStep makes the child let go of the directory: it will be seen from
// inside of the root, and the directory can be outside of it.
func (d *Dir) CloseStep(name string) stage.Step {
	return stage.OnFD(name, unix.SYS_CLOSE, int(d.fd))
}

// OpenStep opens path, which means in the child's own root what it means to
// the program that it will become, and stores the descriptor in fd.
func OpenStep(name, path string, flags uintptr, fd *[1]int32) (stage.Step, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return stage.Step{}, err
	}
	cwd := unix.AT_FDCWD
	s := stage.Sys(name, unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(p)), flags|unix.O_CLOEXEC)
	s.Keep, s.Store = []any{p, fd}, uintptr(unsafe.Pointer(fd))
	return s, nil
}
