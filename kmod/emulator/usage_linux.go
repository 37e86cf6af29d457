package emulator

// What the members of a cell use: of each process, and of the cell's cgroup
// where that knows more.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every
// port that Go runs on.
const tick = time.Second / 100

// Members tells of each process that has not ended.
func (c *Client) Members(id kmod.ID) ([]kmod.Member, error) {
	x, err := c.lookup(id)
	if err != nil {
		return nil, fmt.Errorf("read processes: %w", err)
	}
	members, err := x.members(true)
	if err != nil {
		return nil, fmt.Errorf("read processes of cell %d: %w", id, err)
	}
	return members, nil
}

// members tells of each process, and with users whose it is, which costs a file
// that is slow to read.
func (x *cell) members(users bool) ([]kmod.Member, error) {
	pids, err := x.processes()
	if err != nil {
		return nil, err
	}
	members := make([]kmod.Member, 0, len(pids))
	for _, pid := range pids {
		m, err := readMember(pid, users)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// readMember reads a process's usage; errGone when it has been reaped.
func readMember(pid int, users bool) (kmod.Member, error) {
	stat, err := readProc(pid, "stat")
	if err != nil {
		return kmod.Member{}, err
	}
	m, err := parseMember(stat)
	if err != nil {
		return kmod.Member{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	m.Pid = pid
	if users {
		m.UID, err = userOf(pid)
	}
	return m, err
}

// userOf reads whose a process is; errGone when it has been reaped.
func userOf(pid int) (uint32, error) {
	status, err := readProc(pid, "status")
	if err != nil {
		return 0, err
	}
	uid, err := effectiveUID(status)
	if err != nil {
		return 0, fmt.Errorf("read process %d: %w", pid, err)
	}
	return uid, nil
}

// parseMember reads /proc/PID/stat, see proc_pid_stat(5). The command may hold
// anything.
func parseMember(stat []byte) (kmod.Member, error) {
	_, command, _ := bytes.Cut(stat, []byte("("))
	end := bytes.LastIndexByte(command, ')')
	if end < 0 {
		return kmod.Member{}, errors.New("parse /proc stat: no command")
	}
	const first = 3 // the command is field 2
	f := bytes.Fields(command[end+1:])
	if len(f) <= 24-first {
		return kmod.Member{}, fmt.Errorf("parse /proc stat: %d fields", len(f)+2)
	}
	var errs []error
	number := func(field int) uint64 {
		n, err := strconv.ParseInt(string(f[field-first]), 10, 64)
		errs = append(errs, err)
		return uint64(max(n, 0))
	}
	ticks := func(own, reaped int) time.Duration { return time.Duration(number(own)+number(reaped)) * tick }
	m := kmod.Member{
		Parent: int(number(4)), Memory: number(24) * uint64(os.Getpagesize()), Command: string(command[:end]),
		CPU: kmod.CPU{User: ticks(14, 16), System: ticks(15, 17)},
	}
	m.CPU.Total = m.CPU.User + m.CPU.System
	if err := errors.Join(errs...); err != nil {
		return kmod.Member{}, fmt.Errorf("parse /proc stat: %w", err)
	}
	return m, nil
}

// effectiveUID is the second number of the line Uid, see proc_pid_status(5).
func effectiveUID(status []byte) (uint32, error) {
	for line := range bytes.Lines(status) {
		if ids, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			f := bytes.Fields(ids)
			if len(f) < 2 {
				break
			}
			n, err := strconv.ParseUint(string(f[1]), 10, 32)
			return uint32(n), err
		}
	}
	return 0, errors.New("no user id in status")
}

// Stats counts the members and what they use. Linux does not count what a
// seccomp filter or a missing capability denies, so there are no denials.
func (c *Client) Stats(id kmod.ID) (kmod.Stats, error) {
	x, err := c.lookup(id)
	if err != nil {
		return kmod.Stats{}, fmt.Errorf("count: %w", err)
	}
	members, err := x.members(false)
	if err != nil {
		return kmod.Stats{}, fmt.Errorf("count for cell %d: %w", id, err)
	}
	s := sum(members)
	s.MaxProcesses = x.processLimit()
	// The cgroup also knows of those that nobody of the cell has waited for.
	if cpu, err := cgroupCPU(x.Cgroup); err == nil {
		s.CPU = cpu
	}
	return s, nil
}

// sum is what members use together.
func sum(members []kmod.Member) (s kmod.Stats) {
	s.Processes = uint64(len(members))
	for _, m := range members {
		s.Memory += m.Memory
		s.CPU.Total += m.CPU.Total
		s.CPU.User += m.CPU.User
		s.CPU.System += m.CPU.System
	}
	return s
}

// cgroupCPU reads cpu.stat, which every cgroup of v2 has (cgroup-v2.rst).
func cgroupCPU(dir string) (kmod.CPU, error) {
	if dir == "" {
		return kmod.CPU{}, os.ErrNotExist
	}
	b, err := readFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return kmod.CPU{}, err
	}
	return parseCPU(string(b))
}

func parseCPU(s string) (cpu kmod.CPU, err error) {
	fields := map[string]*time.Duration{"usage_usec": &cpu.Total, "user_usec": &cpu.User, "system_usec": &cpu.System}
	for line := range strings.Lines(s) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		to := fields[name]
		if to == nil {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || n > uint64(1<<63-1)/uint64(time.Microsecond) {
			return kmod.CPU{}, fmt.Errorf("parse cpu.stat: %s %q", name, value)
		}
		*to = time.Duration(n) * time.Microsecond
		delete(fields, name)
	}
	if len(fields) > 0 {
		return kmod.CPU{}, errors.New("parse cpu.stat: fields are missing")
	}
	return cpu, nil
}
