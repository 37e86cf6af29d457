package sysctl

// What the members use: the kernel tells of each process by its number, in
// struct kinfo_proc2 of kern.proc2 (sysctl(7)).

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// kernProcPid asks for one process.
const kernProcPid = 1

// Where struct kinfo_proc2 has what a member uses.
const (
	procParent  = 120
	procUID     = 136
	procTime    = 228 // its own CPU time: seconds, microseconds
	procComm    = 368
	procCommLen = 24
	procRSS     = 432 // pages
	procReaped  = 592 // CPU time of the children it has waited for
)

// Members tells of each process that has not ended.
func (c *client) Members(id kmod.ID) ([]kmod.Member, error) {
	pids, err := c.Processes(id)
	if err != nil {
		return nil, err
	}
	members := make([]kmod.Member, 0, len(pids))
	for _, pid := range pids {
		m, ok, err := c.member(pid)
		if err != nil {
			return nil, fmt.Errorf("read process %d of cell %d: %w", pid, id, err)
		}
		if ok {
			members = append(members, m)
		}
	}
	return members, nil
}

// member tells of one process; ok is false when it has gone.
func (c *client) member(pid int) (m kmod.Member, ok bool, err error) {
	mib := []int32{ctlKern, kernProc2, kernProcPid, int32(pid), procSize, 1}
	b := make([]byte, procSize)
	n, err := c.kernel.sysctl(mib, b, nil)
	if errors.Is(err, syscall.ESRCH) || err == nil && n == 0 {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	m, err = decodeMember(b[:n])
	if err == nil && m.Pid != pid {
		err = fmt.Errorf("reply is about process %d", m.Pid)
	}
	return m, err == nil, err
}

// decodeMember reads one struct kinfo_proc2.
func decodeMember(b []byte) (kmod.Member, error) {
	if len(b) != procSize {
		return kmod.Member{}, fmt.Errorf("%d bytes of a process, want %d", len(b), procSize)
	}
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	span := func(at int) time.Duration {
		return time.Duration(word(at))*time.Second + time.Duration(word(at+4))*time.Microsecond
	}
	comm, _, _ := bytes.Cut(b[procComm:procComm+procCommLen], []byte{0})
	m := kmod.Member{
		Pid: int(int32(word(procPid))), Parent: int(int32(word(procParent))), UID: word(procUID),
		Memory: uint64(max(int32(word(procRSS)), 0)) * uint64(os.Getpagesize()),
		CPU:    kmod.CPU{Total: span(procTime) + span(procReaped)}, Command: string(comm),
	}
	return m, nil
}

// Stats counts processes, what they use, and denials; a published module does
// not give out the latter.
func (c *client) Stats(id kmod.ID) (kmod.Stats, error) {
	n, err := c.nodesFor(id)
	if err != nil {
		return kmod.Stats{}, err
	}
	var s kmod.Stats
	if n.own() {
		if s, err = c.statsOwn(n, id); s.Last.At != 0 { // and no error
			s.Last.Time, err = c.clock(s.Last.At)
		}
		if err != nil {
			return s, fmt.Errorf("count for cell %d: %w", id, err)
		}
	}
	members, err := c.Members(id)
	if err != nil {
		return kmod.Stats{}, err
	}
	if !n.own() {
		s.Processes = uint64(len(members))
	}
	for _, m := range members {
		s.Memory += m.Memory
		s.CPU.Total += m.CPU.Total
	}
	return s, nil
}

// Limit replaces the cell's limit and leaves the rest of its policy.
func (c *client) Limit(id kmod.ID, processes uint64) error {
	n, err := c.nodesFor(id)
	if err == nil && !n.own() {
		err = fmt.Errorf("%s: %w", kmod.Published().MaxProcesses.Reason, kmod.ErrUnsupported)
	}
	if err == nil {
		err = c.limitOwn(n, id, processes)
	}
	if err != nil {
		return fmt.Errorf("limit processes of cell %d: %w", id, err)
	}
	return nil
}

// kernBoottime is the time of the boot, a struct timespec (sysctl(7)).
const kernBoottime = 83

// clock gives a time since boot by the clock as it goes now.
func (c *client) clock(at time.Duration) (time.Time, error) {
	const seconds, long = 8, 8 // long: 4 on ILP32
	b := make([]byte, seconds+long)
	n, err := c.kernel.sysctl([]int32{ctlKern, kernBoottime}, b, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("read sysctl kern.boottime: %w", err)
	}
	boot, err := decodeBoottime(b[:n])
	return boot.Add(at), err
}

func decodeBoottime(b []byte) (time.Time, error) {
	var nano int64
	switch len(b) {
	case 16:
		nano = int64(binary.NativeEndian.Uint64(b[8:]))
	case 12:
		nano = int64(binary.NativeEndian.Uint32(b[8:]))
	default:
		return time.Time{}, fmt.Errorf("%d bytes of kern.boottime, want 16 or 12", len(b))
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(b)), nano).UTC(), nil
}

// readPolicy reads a cell's policy, or the host's.
func (c *client) readPolicy(n *nodes, id kmod.ID) (p wire.Policy, err error) {
	b, err := readFixed(c.kernel, n.policy, cellRequest(id), n.policySize())
	if err != nil {
		return p, nodeError(err)
	}
	whole := make([]byte, binary.Size(p))
	copy(whole, b)
	return decode[wire.Policy](whole, binary.NativeEndian)
}

func (c *client) limitOwn(n *nodes, id kmod.ID, processes uint64) error {
	p, err := c.readPolicy(n, id)
	if err != nil {
		return err
	}
	p.ID, p.MaxProcesses = uint32(id), processes
	_, err = c.kernel.sysctl(n.policy, nil, n.encodePolicy(&p))
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("it is being killed: %w", kmod.ErrBusy)
	}
	return nodeError(err)
}

// hostVersion is the first version of the interface with a policy of cell 0.
const hostVersion = 2

// Reserve writes the policy of cell 0.
func (c *client) Reserve(r kmod.Reservations) error {
	if err := c.reserve(r); err != nil {
		return fmt.Errorf("reserve for the host: %w", err)
	}
	return nil
}

func (c *client) reserve(r kmod.Reservations) error {
	s, err := r.Spec()
	if err != nil {
		return err
	}
	n, err := c.find()
	if err != nil {
		return err
	}
	if n.version < hostVersion {
		return fmt.Errorf("this secmodel_cell reserves ports for cells only: %w", kmod.ErrUnsupported)
	}
	_, err = c.kernel.sysctl(n.policy, nil, n.encodePolicy(policyOf(0, s)))
	switch {
	case errors.Is(err, syscall.EEXIST):
		return fmt.Errorf("%w (by a cell)", kmod.ErrPortInUse)
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("only root on the host reserves for it (not inside a cell): %w", err)
	}
	return err
}
