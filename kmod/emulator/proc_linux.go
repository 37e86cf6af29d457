package emulator

// Processes as the host sees them. A pid alone is not an identity, as it is
// reused: it goes together with the process's start time.

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errGone says that a process has ended and was reaped, or another one has
// its pid now.
var errGone = errors.New("process has ended")

// process identifies one process of this boot.
type process struct {
	Pid int
	// Start is field 22 of /proc/PID/stat: clock ticks since boot.
	Start uint64
}

// stat is what the emulator needs of /proc/PID/stat, see proc_pid_stat(5).
type stat struct {
	state   byte   // 'Z' is a zombie, 'X' dead
	flags   uint64 // field 9, PF_*
	threads uint64 // field 20
	start   uint64 // field 22
	exit    uint32 // field 52, a wait(2) status; 0 if the reader may not know it
}

// dead: a process whose main thread has ended looks like a zombie while its
// other threads run.
func (s stat) dead() bool { return s.state == 'X' || s.state == 'Z' && s.threads <= 1 }

// parseStat reads a /proc/PID/stat line. The second field, the command, is in
// parentheses and may hold anything, parentheses too.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, errors.New("parse /proc stat: no command")
	}
	f := bytes.Fields(b[i+1:])
	const first = 3 // the command is field 2
	if len(f) <= 52-first || len(f[0]) != 1 {
		return stat{}, fmt.Errorf("parse /proc stat: %d fields", len(f)+2)
	}
	flags, err0 := strconv.ParseUint(string(f[9-first]), 10, 64)
	threads, err1 := strconv.ParseUint(string(f[20-first]), 10, 64)
	start, err2 := strconv.ParseUint(string(f[22-first]), 10, 64)
	exit, err3 := strconv.ParseUint(string(f[52-first]), 10, 32)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		return stat{}, fmt.Errorf("parse /proc stat: %w", err)
	}
	return stat{state: f[0][0], flags: flags, threads: threads, start: start, exit: uint32(exit)}, nil
}

// dying: it runs no more of its program.
func (s stat) dying() bool {
	const exiting = 0x4 // PF_EXITING
	return s.dead() || s.flags&exiting != 0
}

func procPath(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

func readStat(pid int) (stat, error) {
	b, err := readProc(pid, "stat")
	if err != nil {
		return stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return parseStat(b)
}

// readProc reads a file about a process; errGone when it has been reaped.
func readProc(pid int, name string) ([]byte, error) {
	b, err := readFile(procPath(pid, name))
	if reaped(err) {
		return nil, errGone
	}
	return b, err
}

// reaped tells whether a call about a process failed because there is none: ENOENT
// of files below /proc, and of pidfd_open(2) when it ends meanwhile.
func reaped(err error) bool { return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) }

// identify gives the identity of a running process or zombie.
func identify(pid int) (process, error) {
	s, err := readStat(pid)
	if err != nil {
		return process{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return process{Pid: pid, Start: s.start}, nil
}

// stat gives the process's state; errGone when it has been reaped.
func (p process) stat() (stat, error) {
	s, err := readStat(p.Pid)
	if err != nil {
		return stat{}, err
	}
	if s.start != p.Start {
		return stat{}, errGone
	}
	return s, nil
}

// alive tells whether the process runs: a zombie does not, and no process neither.
func (p process) alive() (bool, error) {
	s, err := p.stat()
	if errors.Is(err, errGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return !s.dead(), nil
}

// open gives a descriptor that stands for the process, not for its pid. The
// identity is checked after the open, when the pid cannot change any more.
func (p process) open(flags int) (pidfd int, err error) {
	if p.Pid == 0 {
		return -1, errGone
	}
	fd, err := unix.PidfdOpen(p.Pid, flags)
	if reaped(err) {
		return -1, errGone
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", p.Pid, err)
	}
	if _, err := p.stat(); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// send signals a process. One that has ended needs no signal.
func send(pidfd int, sig unix.Signal) error {
	if err := unix.PidfdSendSignal(pidfd, sig, nil, 0); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// pidNamespace gives the inode of a process's pid namespace; 0 when the
// process has ended.
func pidNamespace(pid int) uint64 {
	var st unix.Stat_t
	_ = unix.Stat(procPath(pid, "ns/pid"), &st)
	return st.Ino
}

// sinceBoot is the time since boot, sleep included.
func sinceBoot() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}
