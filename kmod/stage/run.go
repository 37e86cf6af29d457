//go:build linux || netbsd

package stage

// The child's loop over its steps.

import (
	"syscall"
	"unsafe"
)

// Everything below runs in a forked child that has one thread and no working
// Go runtime: no allocation, no stack growth, no locks, no function that is
// not marked nosplit.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// forkRun is the only place that forks.
//
//go:nosplit
//go:norace
//go:noinline
func forkRun(m *machine) (int, syscall.Errno) {
	runtimeBeforeFork()
	pid, errno := m.child.fork()
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return int(pid), errno
	}
	runtimeAfterForkInChild()
	m.run()
	return 0, 0
}

// run executes the steps and never returns.
//
//go:nosplit
//go:norace
func (m *machine) run() {
	m.runSteps()
	m.write()
	for {
		_, _, _ = syscall.RawSyscall(sysExit, m.exit, 0, 0)
	}
}

// write writes the record to whoever wants it.
//
//go:nosplit
//go:norace
func (m *machine) write() {
	for _, fd := range m.report {
		if fd > 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&m.rec)), RecordSize)
		}
	}
}

// runSteps stops at the first failure, which is then in the record.
//
//go:nosplit
//go:norace
func (m *machine) runSteps() {
	for i := range m.shut {
		if errno := m.step(&m.shut[i]); errno != 0 {
			m.rec.Index, m.rec.Errno = shutIndex, uint32(errno)
			return
		}
	}
	for i := range m.steps {
		if m.tell && m.steps[i].Nr == syscall.SYS_EXECVE { // other kinds have no number
			m.tell = false
			m.rec.Index, m.rec.Errno = execIndex, 0
			m.write()
		}
		errno := syscall.Errno(0)
		if m.steps[i].Kind == Birth {
			errno = m.birth()
		} else {
			errno = m.step(&m.steps[i])
		}
		if errno != 0 {
			m.rec.Index, m.rec.Errno = uint32(i), uint32(errno)
			return
		}
	}
}

//go:nosplit
//go:norace
func (m *machine) step(s *Step) syscall.Errno {
	if s.Kind == Same {
		return same(s)
	}
	var a [6]uintptr
	for i := range a {
		switch s.From[i] {
		case Reg:
			a[i] = m.regs[s.Args[i]%Registers]
		case Load32:
			a[i] = uintptr(*(*int32)(pointer(s.Args[i])))
		default:
			a[i] = s.Args[i]
		}
	}
	r, _, errno := syscall.RawSyscall6(s.Nr, a[0], a[1], a[2], a[3], a[4], a[5])
	for errno == syscall.EINTR {
		r, _, errno = syscall.RawSyscall6(s.Nr, a[0], a[1], a[2], a[3], a[4], a[5])
	}
	if errno != 0 {
		if errno == s.Tolerate[0] || errno == s.Tolerate[1] || errno == s.Tolerate[2] {
			return 0
		}
		return errno
	}
	if s.Exact && r != s.Want {
		return syscall.EPIPE
	}
	m.regs[s.Save%Registers] = r
	if s.Store != 0 {
		*(*int32)(pointer(s.Store)) = int32(r)
	}
	return 0
}

//go:nosplit
//go:norace
func same(s *Step) syscall.Errno {
	p, q, n := s.Args[0], s.Args[1], s.Args[2]
	for i := uintptr(0); i < n; i++ {
		if *(*byte)(pointer(p + i)) == *(*byte)(pointer(q + i)) {
			continue
		}
		if s.Want != 0 {
			return syscall.Errno(s.Want)
		}
		return syscall.EINVAL
	}
	return 0
}

// pointer turns an address that Keep holds alive back into a pointer.
//
//go:nosplit
func pointer(a uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&a))
}
