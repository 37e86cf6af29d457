package sys

// What sysctl(3) tells about a process.

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execPatience is how long a process may be in execve(2), which reads the
// program from disk.
const execPatience = 10 * time.Second

// StartTime gives a process's start in microseconds. ok is false when it is
// gone or a zombie; an error says that it can't be told.
func StartTime(pid int) (us uint64, ok bool, err error) {
	us, l, err := look(pid)
	return us, l == lives, err
}

// Alive tells whether pid still is the process that started at start (see
// StartTime), and not a zombie. A process that does not leave execve(2) counts
// as the one: who is not known to have ended lives. Without an answer it is
// neither alive nor not: an error.
func Alive(pid int, start uint64) (bool, error) {
	if pid <= 0 {
		return false, nil
	}
	us, l, err := look(pid)
	return l == busy || l == lives && us == start, err
}

// look asks until the kernel can tell.
func look(pid int) (us uint64, l life, err error) {
	deadline := time.Now().Add(execPatience)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		record, err := kinfo(pid)
		if err != nil {
			return 0, ended, err
		}
		us, l = parseKinfo(record)
		if l != busy || time.Now().After(deadline) {
			return us, l, nil
		}
		time.Sleep(pause)
	}
}

// kinfo gives a process's record, nil when it is gone.
func kinfo(pid int) ([]byte, error) {
	mib := [6]int32{1, 47, 1, int32(pid), kinfoSize, 1} // CTL_KERN, KERN_PROC2, KERN_PROC_PID
	buf := make([]byte, kinfoSize)
	n := uintptr(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib)), 6,
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0, 0)
	if errors.Is(errno, unix.ESRCH) {
		return nil, nil
	}
	if errno != 0 {
		return nil, fmt.Errorf("look at process %d: %w", pid, errno)
	}
	return buf[:n], nil
}
