package agent

// What a hostile program does: calls that once panicked or hung the kernel, or
// led out of a cell. The agent and the kernel have to survive them.

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func hostileOps() map[string]operation {
	return map[string]operation{
		"tracegroup": {0, true, opTraceGroup}, "schedstorm": {0, true, opSchedStorm}, "clockrace": {0, true, opClockRace},
		"console": {0, true, opConsole}, "bindany": {0, false, opBindAny}, "bindfaith": {0, false, opBindFaith},
		"cleaner": {0, false, opCleaner}, "messages": {0, false, opMessages}, "sockets": {0, false, opSockets},
		"chmod": {1, false, opChmod}, "program": {1, false, opProgram},
	}
}

// opProgram executes a program in a child, and gives its exit status.
func opProgram(_ *agent, args []string, r *Reply) error {
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{Files: []uintptr{0, 2, 2}})
	if err != nil {
		return err
	}
	ws, err := Wait(pid)
	if err != nil {
		return err
	}
	if !ws.Exited() {
		return fmt.Errorf("%s ended with status %#x", args[0], int(ws))
	}
	r.Size = ws.ExitStatus()
	return nil
}

// opTraceGroup traces its process group when one of it has ended, executed
// nothing, and waits to be reaped.
func opTraceGroup(*agent, []string, *Reply) error {
	if err := unix.Setpgid(0, 0); err != nil {
		return err
	}
	pid, errno := fork()
	if errno != 0 {
		return errno
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	if err := waitZombie(pid); err != nil {
		return err
	}
	file := "/tmp/ktrace-group-" + strconv.Itoa(os.Getuid())
	fd, err := unix.Open(file, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	group := strconv.Itoa(-unix.Getpgrp())
	if err := ktrace(file, 0, group); err != nil { // KTROP_SET
		return err
	}
	return ktrace(file, 1, group) // KTROP_CLEAR
}

// waitZombie waits until a child has ended, and leaves it: wait6(2).
func waitZombie(pid int) error {
	const sysWait6, byPid, options = 481, 1, 0x20 | 0x10000 // P_PID, WEXITED|WNOWAIT
	var status int32
	_, _, errno := unix.Syscall6(sysWait6, byPid, uintptr(pid), uintptr(unsafe.Pointer(&status)), options, 0, 0)
	return errnoOrNil(errno)
}

// storm is how long the two races below go on.
const storm = time.Second

// opSchedStorm changes the scheduling of children, while other threads make
// the kernel look at the same credential.
func opSchedStorm(_ *agent, _ []string, r *Reply) error {
	var kids []int
	defer func() { reapAll(kids) }()
	for range 8 {
		pid, errno := fork()
		if errno != 0 {
			return errno
		}
		kids = append(kids, pid)
	}
	var stop atomic.Bool
	for range 2 {
		go func() {
			for !stop.Load() {
				_ = unix.Kill(os.Getpid(), 0)
			}
		}()
	}
	defer stop.Store(true)
	const other = 0 // SCHED_OTHER
	priority := int32(-1)
	for end := time.Now().Add(storm); time.Now().Before(end); r.Size++ {
		pid := kids[r.Size%len(kids)]
		_, _, errno := unix.Syscall6(unix.SYS__SCHED_SETPARAM, uintptr(pid), 0, other, uintptr(unsafe.Pointer(&priority)), 0, 0)
		if errno != 0 && errno != unix.EPERM && errno != unix.EINVAL {
			return fmt.Errorf("set parameters: %w", errno)
		}
	}
	return nil
}

func reapAll(kids []int) {
	for _, pid := range kids {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = Wait(pid)
	}
}

// opClockRace reads the clocks of processes that end meanwhile.
func opClockRace(_ *agent, _ []string, r *Reply) error {
	var target atomic.Int64
	var stop atomic.Bool
	for range 2 {
		go func() {
			const ofProcess = 0x40000000 // CLOCK_PROCESS_CPUTIME_ID
			var ts unix.Timespec
			for !stop.Load() {
				_, _, _ = unix.Syscall(unix.SYS_CLOCK_GETTIME, uintptr(ofProcess|target.Load()), uintptr(unsafe.Pointer(&ts)), 0)
			}
		}()
	}
	defer stop.Store(true)
	for end := time.Now().Add(storm); time.Now().Before(end); r.Size++ {
		pid, errno := fork()
		if errno != 0 {
			return errno
		}
		target.Store(int64(pid))
		reapAll([]int{pid})
	}
	return nil
}

// opConsole takes the kernel's console for a terminal of its own, and gives it
// back.
func opConsole(*agent, []string, *Reply) error {
	t, err := openPty()
	if err != nil {
		return fmt.Errorf("make a terminal: %w", err)
	}
	defer t.close()
	const cons = 0x80047462 // TIOCCONS
	for _, on := range []int32{1, 0} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.slave), cons, uintptr(unsafe.Pointer(&on))); errno != 0 {
			return errno
		}
	}
	return nil
}

// opBindAny binds to an address that the host does not have.
func opBindAny(*agent, []string, *Reply) error {
	fd, err := openSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	const bindAny = 27 // IP_BINDANY
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, bindAny, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{198, 51, 100, 9}})
}

// opBindFaith does so with an option that nobody is asked about.
func opBindFaith(*agent, []string, *Reply) error {
	fd, err := openSocket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	const faith = 29 // IPV6_FAITH
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, faith, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 9}})
}

// opCleaner calls what LFS's cleaner does, for the root's file system.
func opCleaner(*agent, []string, *Reply) error {
	var st unix.Statvfs_t
	if err := unix.Statvfs("/", &st); err != nil {
		return err
	}
	var blocks [128]byte // BLOCK_INFO
	const bmapv, markv, segclean = 184, 185, 186
	for _, call := range []uintptr{bmapv, markv, segclean} {
		_, _, errno := unix.Syscall(call, uintptr(unsafe.Pointer(&st.Fsidx)), uintptr(unsafe.Pointer(&blocks)), 1)
		if errno != unix.ENOSYS {
			return fmt.Errorf("call %d: %w", call, errno)
		}
	}
	return unix.ENOSYS
}

// opMessages reads the kernel's messages.
func opMessages(_ *agent, _ []string, r *Reply) error {
	b, err := unix.SysctlRaw("kern.msgbuf")
	r.Size = len(b)
	return err
}

// opSockets counts the TCP sockets that the kernel lists.
func opSockets(_ *agent, _ []string, r *Reply) error {
	const size, all = 640, 0 // of struct kinfo_pcb
	b, err := unix.SysctlRaw("net.inet.tcp.pcblist", all, 0, size, 4096)
	r.Size = len(b) / size
	return err
}

func opChmod(_ *agent, args []string, _ *Reply) error { return unix.Chmod(args[0], 0o4755) }
