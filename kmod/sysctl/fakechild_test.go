package sysctl

// The fake kernel's children: it carries out a helper's program, system call
// by system call, reading its arguments from memory as a kernel does.

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
)

type fakeChild struct {
	k    *fakeKernel
	p    *fakeProc
	done chan struct{}
}

func (c fakeChild) pid() int { return c.p.pid }

func (c fakeChild) end() error {
	<-c.done
	c.k.procs = slices.DeleteFunc(c.k.procs, func(p *fakeProc) bool { return p == c.p })
	c.k.reaped++
	return c.k.endErr
}

func (k *fakeKernel) fork(prog *stage.Program) (child, error) {
	p := k.spawn(0)
	m := &fakeMachine{k: k, p: p, fds: map[int]int{}}
	// The child has its own copies of the descriptors it will use.
	for _, s := range prog.Steps[:2] {
		fd := int(s.Args[0])
		dup, err := syscall.Dup(fd)
		if err != nil {
			return nil, err
		}
		m.fds[fd] = dup
	}
	c := fakeChild{k, p, make(chan struct{})}
	go m.run(prog, c.done)
	return c, nil
}

type fakeMachine struct {
	k   *fakeKernel
	p   *fakeProc
	fds map[int]int
}

func (m *fakeMachine) run(prog *stage.Program, done chan<- struct{}) {
	defer close(done)
	for i := range prog.Steps {
		if m.p.stat == statZombie || m.k.dieAt == prog.Steps[i].Name {
			break // killed in the middle
		}
		if errno := m.step(&prog.Steps[i]); errno != 0 {
			m.fail(prog, i, errno)
			break
		}
	}
	m.p.stat = statZombie
	m.closeFrom(0)
}

func (m *fakeMachine) fail(prog *stage.Program, i int, errno syscall.Errno) {
	rec := stage.Record{Index: uint32(i), Errno: uint32(errno)}
	for _, fd := range prog.Report {
		if dup, ok := m.fds[fd]; ok && fd != 0 {
			_, _ = syscall.Write(dup, unsafe.Slice((*byte)(unsafe.Pointer(&rec)), stage.RecordSize))
		}
	}
}

func (m *fakeMachine) closeFrom(first int) {
	for fd, dup := range m.fds {
		if fd >= first {
			_ = syscall.Close(dup)
			delete(m.fds, fd)
		}
	}
}

func (m *fakeMachine) step(s *stage.Step) syscall.Errno {
	m.k.log = append(m.k.log, s.Name)
	a := s.Args
	for i, from := range s.From {
		if from == stage.Load32 {
			a[i] = uintptr(*(*int32)(pointer(a[i])))
		}
	}
	r, err := m.syscall(s.Nr, a)
	var errno syscall.Errno
	errors.As(err, &errno)
	switch {
	case errno != 0 && (errno == s.Tolerate[0] || errno == s.Tolerate[1]):
		return 0
	case errno == 0 && s.Exact && r != s.Want:
		return syscall.EPIPE
	}
	return errno
}

func (m *fakeMachine) syscall(nr uintptr, a [6]uintptr) (uintptr, error) {
	switch nr {
	case sysDup2:
		dup, err := syscall.Dup(m.fds[int(a[0])])
		m.fds[int(a[1])] = dup
		return a[1], err
	case sysFcntl:
		if a[1] != fClosem {
			return 0, syscall.EINVAL
		}
		m.closeFrom(int(a[0]))
		return 0, nil
	case sysChroot:
		m.p.root = cString(a[0])
		if !slices.Contains(m.k.dirs, m.p.root) {
			return 0, syscall.ENOENT
		}
		return 0, nil
	case sysChdir:
		return 0, nil
	case sysKill:
		if a[0] != ^uintptr(0) {
			return 0, syscall.EINVAL
		}
		return 0, m.k.kill(m.p, int(a[1]))
	case sysWrite:
		fd, ok := m.fds[int(a[0])]
		if !ok {
			return 0, syscall.EBADF
		}
		n, err := syscall.Write(fd, bytesAt(a[1], int(a[2])))
		return uintptr(n), err
	case sysSysctl:
		return m.sysctl(a)
	}
	return 0, fmt.Errorf("system call %d: %w", nr, syscall.ENOSYS)
}

func (m *fakeMachine) sysctl(a [6]uintptr) (uintptr, error) {
	mib := unsafe.Slice((*int32)(pointer(a[0])), int(a[1]))
	var old, newp []byte
	var size *uintptr
	if a[3] != 0 {
		size = (*uintptr)(pointer(a[3]))
		old = bytesAt(a[2], int(*size))
	}
	if a[4] != 0 {
		newp = bytesAt(a[4], int(a[5]))
	}
	n, err := m.k.call(m.p, mib, old, newp)
	if size != nil {
		*size = uintptr(n)
	}
	return 0, err
}

func pointer(a uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

func bytesAt(a uintptr, n int) []byte { return unsafe.Slice((*byte)(pointer(a)), n) }

func cString(a uintptr) string {
	n := 0
	for *(*byte)(pointer(a + uintptr(n))) != 0 {
		n++
	}
	return string(bytesAt(a, n))
}
