package sysctl

// The fake kernel's side of the nodes that this project's module adds: the
// structures and the order of errors are those of docs/kernel-abi.md.

import (
	"context"
	"encoding/binary"
	"slices"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// fakeOwn is what the module knows of a cell beyond the published.
type fakeOwn struct {
	policy wire.Policy
	status wire.Status
	dying  bool
	stats  wire.Stats // the counts of denials
}

// newOwnFake is a kernel with this project's module.
func newOwnFake() *fakeKernel {
	k := newFake()
	k.abi = wire.Version
	return k
}

// profilePolicy is a cell's policy until one is set.
func (c *fakeCell) profilePolicy(p policy.Profile) {
	c.policy = wire.Policy{Permissions: uint64(policy.Defaults(p)), NPorts: uint16(len(c.ports))}
	for i, port := range c.ports {
		c.policy.Ports[i].Port = port
	}
}

func (k *fakeKernel) callOwn(p *fakeProc, num int32, old, newp []byte) (int, error) {
	b, err := k.ownReply(p, num, old, newp)
	if err != nil || b == nil {
		return 0, err
	}
	if k.garble != nil && fakeOwnNodes[k.garbled] == num {
		b = k.garble(b)
	}
	return copyOut(b, old)
}

// ownReply answers a node; nil is no reply.
func (k *fakeKernel) ownReply(p *fakeProc, num int32, old, newp []byte) ([]byte, error) {
	if num == fakeOwnNodes["abi"] {
		return binary.NativeEndian.AppendUint32(nil, k.abi), nil
	}
	size := 4
	if num == fakeOwnNodes["kill"] {
		size = 8
	}
	switch {
	case newp == nil:
		return nil, syscall.EINVAL
	case !p.hostRoot():
		return nil, syscall.EPERM
	case len(newp) != size && (num != fakeOwnNodes["policy"] || !k.policySize(len(newp))):
		return nil, syscall.EINVAL
	}
	id := binary.NativeEndian.Uint32(newp)
	var set wire.Policy
	if len(newp) >= 1312 {
		copy(view(&set), newp)
		if !fakePolicyOK(&set) {
			return nil, syscall.EINVAL
		}
	}
	sig := 0
	if size == 8 {
		sig = int(int32(binary.NativeEndian.Uint32(newp[4:])))
		if sig < 1 || sig > 63 {
			return nil, syscall.EINVAL
		}
	}
	if id == 0 && num == fakeOwnNodes["policy"] {
		return k.hostPolicy(&set, len(newp) >= 1312)
	}
	i := slices.IndexFunc(k.cells, func(c *fakeCell) bool { return c.id == id })
	if i < 0 {
		return nil, syscall.ENOENT
	}
	c := k.cells[i]
	switch num {
	case fakeOwnNodes["policy"]:
		if len(newp) >= 1312 {
			return nil, k.setPolicy(c, &set)
		}
		if k.abi < 3 || len(old) == 1312 && c.policy.NDevices == 0 {
			return view(&c.policy)[:1312], nil
		}
		return view(&c.policy), nil
	case fakeOwnNodes["procs"]:
		return k.pids(id), nil
	case fakeOwnNodes["kill"]:
		return k.killCell(c, sig, old), nil
	case fakeOwnNodes["stats"]:
		s := c.stats
		s.ID, s.Processes, s.MaxProcesses = id, uint64(len(k.living(id))), c.policy.MaxProcesses
		return view(&s), nil
	case fakeOwnNodes["status"]:
		c.status.ID = id
		return view(&c.status), nil
	}
	return nil, syscall.ENOENT
}

// policySize tells whether the module takes a policy of that size.
func (k *fakeKernel) policySize(n int) bool { return n == 1312 || n == 1696 && k.abi >= 3 }

func (k *fakeKernel) setPolicy(c *fakeCell, set *wire.Policy) error {
	limited := c.policy
	limited.ID, limited.MaxProcesses = set.ID, set.MaxProcesses
	if c.dying || c.status.State != wire.StateEmpty && limited != *set {
		return syscall.EBUSY
	}
	for _, other := range k.cells {
		if other != c && portsMeet(set, &other.policy) {
			return syscall.EEXIST
		}
	}
	if portsMeet(set, &k.host) {
		return syscall.EEXIST
	}
	c.policy = *set
	return nil
}

// hostPolicy is the policy of cell 0.
func (k *fakeKernel) hostPolicy(set *wire.Policy, write bool) ([]byte, error) {
	if !write {
		if k.abi < wire.DevicesSince {
			return view(&k.host)[:wire.PolicySize2], nil
		}
		return view(&k.host), nil
	}
	if set.Network == wire.NetworkNone || set.Permissions != 0 || set.MaxProcesses != 0 {
		return nil, syscall.EINVAL
	}
	for _, other := range k.cells {
		if portsMeet(set, &other.policy) {
			return nil, syscall.EEXIST
		}
	}
	k.host = *set
	return nil, nil
}

func portsMeet(a, b *wire.Policy) bool {
	for _, p := range a.Ports[:a.NPorts] {
		for _, q := range b.Ports[:b.NPorts] {
			if p.Port == q.Port && (p.Proto == q.Proto || p.Proto*q.Proto == 0) &&
				(p.Family == 0 || q.Family == 0 || p.Family == q.Family && p.Addr == q.Addr) {
				return true
			}
		}
	}
	return false
}

// fakePolicyOK has the rules of struct cell_policy.
func fakePolicyOK(p *wire.Policy) bool {
	if p.Network > wire.NetworkNone || p.Permissions&^uint64(policy.All()) != 0 || p.Reserved != 0 ||
		p.NAddresses > wire.AddressMax || p.NPorts > wire.PortMax || p.NDevices > wire.DeviceMax ||
		(p.Network == wire.NetworkAddresses) != (p.NAddresses > 0) {
		return false
	}
	for i, a := range p.Addresses {
		switch {
		case i >= int(p.NAddresses):
			if a != (wire.Address{}) {
				return false
			}
		case a.Reserved != [3]uint8{} || a.Family == wire.FamilyAny || !fakeAddrOK(a.Family, a.Addr),
			slices.Contains(p.Addresses[:i], a):
			return false
		}
	}
	for i, d := range p.Devices {
		switch {
		case i >= int(p.NDevices):
			if d != (wire.Device{}) {
				return false
			}
		case d.Type != 1 && d.Type != 2, d.Reserved != [3]uint8{}, slices.Contains(p.Devices[:i], d):
			return false
		}
	}
	for i, q := range p.Ports {
		switch {
		case i >= int(p.NPorts):
			if q != (wire.Port{}) {
				return false
			}
		case q.Port == 0, !slices.Contains([]uint8{wire.ProtoAny, wire.ProtoTCP, wire.ProtoUDP}, q.Proto),
			q.Family == wire.FamilyAny && q.Addr != [16]uint8{}, q.Family != wire.FamilyAny && !fakeAddrOK(q.Family, q.Addr),
			slices.Contains(p.Ports[:i], q):
			return false
		}
	}
	return true
}

func fakeAddrOK(family uint8, a [16]uint8) bool {
	mapped := [12]uint8{10: 0xff, 11: 0xff}
	switch {
	case a == [16]uint8{}: // a wildcard
		return false
	case family == wire.FamilyIP4:
		return [12]uint8(a[4:]) == [12]uint8{}
	case family == wire.FamilyIP6:
		return [12]uint8(a[:12]) != mapped
	}
	return false
}

func (k *fakeKernel) living(id uint32) []*fakeProc {
	return slices.DeleteFunc(slices.Clone(k.procs), func(p *fakeProc) bool { return p.cell != id || p.stat == statZombie })
}

func (k *fakeKernel) pids(id uint32) []byte {
	b := []byte{}
	for _, p := range k.living(id) {
		b = binary.NativeEndian.AppendUint32(b, uint32(p.pid))
	}
	return b
}

func (k *fakeKernel) killCell(c *fakeCell, sig int, old []byte) []byte {
	if sig == sigKill {
		c.dying = true
	}
	if k.onKill != nil {
		k.onKill()
	}
	hit := k.living(c.id)
	for _, p := range hit {
		p.signal(sig)
		if sig == sigKill {
			k.exit(p, sigKill)
		}
	}
	k.stopped(sig)
	if old == nil {
		return nil
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(len(hit)))
}

// exit ends a process: the module keeps the first one's status.
func (k *fakeKernel) exit(p *fakeProc, status uint32) {
	p.stat, p.status = statZombie, status
	for _, c := range k.cells {
		if c.id == p.cell && c.status.Pid == int32(p.pid) {
			c.status.State, c.status.Status = wire.StateEnded, status
		}
	}
}

// enterOwn is what this project's module adds to entering.
func (k *fakeKernel) enterOwn(c *fakeCell, p *fakeProc) error {
	switch {
	case k.abi == 0:
		return nil
	case c.dying:
		return syscall.EBUSY
	case c.policy.MaxProcesses != 0 && uint64(len(k.living(c.id))) >= c.policy.MaxProcesses:
		return syscall.EAGAIN
	}
	if c.status.State == wire.StateEmpty {
		c.status.State, c.status.Pid = wire.StateRunning, int32(p.pid)
	}
	return nil
}

// start makes a process that enters a cell by itself.
func (k *fakeKernel) start(id uint32) *fakeProc {
	p := k.spawn(0)
	for _, c := range k.cells {
		if c.id == id {
			p.root = c.root
		}
	}
	if err := k.enter(p, binary.NativeEndian.AppendUint32(nil, id)); err != nil {
		panic(err)
	}
	return p
}

// fakeWatch is an attached event.
type fakeWatch struct {
	k *fakeKernel
	p *fakeProc
}

func (k *fakeKernel) watch(pid int) (watch, error) {
	if k.onWatch != nil {
		k.onWatch()
	}
	i := slices.IndexFunc(k.procs, func(p *fakeProc) bool { return p.pid == pid })
	switch {
	case k.watchErr != nil:
		return nil, k.watchErr
	case i < 0 || k.procs[i].stat == statZombie:
		return nil, syscall.ESRCH
	}
	k.watching++
	return fakeWatch{k, k.procs[i]}, nil
}

func (w fakeWatch) wait(ctx context.Context) (uint32, error) {
	if w.k.onWait != nil {
		w.k.onWait()
	}
	if w.p.stat == statZombie {
		return w.p.status, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

func (w fakeWatch) close() { w.k.watching-- }
