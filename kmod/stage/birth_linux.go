package stage

// A child that is born twice. Whoever is in a pid namespace is seen by the
// others there, and stopped and changed by those with CAP_SYS_PTRACE: so the
// child does all that needs the host's rights outside of it, gives them up,
// and only then clones the process that belongs there. What is born is what
// its parent was: nobody sees it with more.

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// birthplace is the pid of who was born, as memory that the child shares.
type birthplace []byte

// BirthStep makes the process that goes on, a child of this one's parent.
func BirthStep(name string) Step { return Step{Name: name, Kind: Birth} }

// birthFlags are those of clone(2). Memory is not shared: who changes the new
// process must not change the old one, which is not in the namespace.
const birthFlags = unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | uintptr(unix.SIGCHLD)

// birth returns in the process that was born. The kernel writes its pid where
// the parent reads it before it runs, so that none is lost by who is killed.
//
//go:nosplit
//go:norace
func (m *machine) birth() syscall.Errno {
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, birthFlags, 0, m.child.born, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	for r != 0 {
		_, _, _ = syscall.RawSyscall(sysExit, 0, 0, 0)
	}
	return 0
}

// hasBirth gives the index of the step, -1 = none.
func hasBirth(steps []Step) int {
	return slices.IndexFunc(steps, func(s Step) bool { return s.Kind == Birth })
}

// expectBirth makes the memory that the child's clone(2) writes to.
func (p *Program) expectBirth(m *machine) (err error) {
	if hasBirth(p.Steps) < 0 {
		return nil
	}
	p.place, err = unix.Mmap(-1, 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("share memory with the child: %w", err)
	}
	m.child.born = uintptr(unsafe.Pointer(unsafe.SliceData(p.place)))
	return nil
}

func (p *Program) forgetBirth() {
	if p.place != nil {
		_ = unix.Munmap(p.place)
		p.place = nil
	}
}

// Settle waits until a child that Start gave has made way for the process that
// was born, reaps it, and gives that one's pid. A child that ended before is
// given itself, not reaped, as is one whose program has no Birth. So there is
// one process to wait for, whatever became of it.
func (p *Program) Settle(pid int) (int, error) {
	if p.place == nil {
		return pid, nil
	}
	defer p.forgetBirth()
	if err := retry(func() error { return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) }); err != nil {
		return pid, fmt.Errorf("wait for process %d: %w", pid, err)
	}
	born := int(*(*int32)(unsafe.Pointer(unsafe.SliceData(p.place))))
	if born == 0 {
		return pid, nil
	}
	err := retry(func() error { _, err := unix.Wait4(pid, nil, 0, nil); return err })
	if err != nil {
		return born, fmt.Errorf("reap process %d: %w", pid, err)
	}
	return born, nil
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Arrange puts the steps that are about the process itself, its session, group
// and terminal, behind the Birth: only the process that stays can do them.
// Which those are is read off the steps.
func (p *Program) Arrange() {
	at := hasBirth(p.Steps)
	if at < 0 {
		return
	}
	var before, own []Step
	for _, s := range p.Steps[:at] {
		if s.own() {
			own = append(own, s)
		} else {
			before = append(before, s)
		}
	}
	p.Steps = slices.Concat(before, p.Steps[at:at+1], own, p.Steps[at+1:])
}

// own tells whether a step is about the process itself. Other kinds than calls
// have no number.
func (s *Step) own() bool {
	return s.Nr == unix.SYS_SETSID || s.Nr == unix.SYS_SETPGID || s.Nr == unix.SYS_IOCTL && s.Args[1] == unix.TIOCSCTTY
}
