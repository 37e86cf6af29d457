package sysctl

// A kernel with the published module, for tests: the same structures, the
// same order of errors. Only what sysctl(3) shows of it is imitated.

import (
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
)

type fakeCell struct {
	id    uint32
	name  string
	root  string
	ports []uint16
	flags uint32
	rlim  [3]uint64
}

type fakeProc struct {
	pid  int
	cell uint32
	uid  int
	root string // where its root directory is
	stat byte
}

// fakeKernel is not safe for concurrent use.
type fakeKernel struct {
	layout  *layout
	absent  bool // the module is not loaded
	cells   []*fakeCell
	nextID  uint32
	dirs    []string // directories there are
	files   []string // other files there are
	procs   []*fakeProc
	nextPid int
	self    *fakeProc // the client's process
	// onEnter runs when a helper has entered, onKill before each signal.
	onEnter func(helper *fakeProc)
	onKill  func()
	// garble changes what list gives.
	garble func([]byte) []byte
	log    []string // the helpers' calls
	reaped int
}

func newFake() *fakeKernel {
	self := &fakeProc{pid: 100, root: "/", stat: 2}
	return &fakeKernel{
		layout: &layouts[0], nextID: 1, nextPid: 200, self: self, procs: []*fakeProc{self},
		dirs: []string{"/", "/cells/a", "/cells/b"}, files: []string{"/etc/passwd"},
	}
}

// Numbers of the fake's nodes: not in order, as on a kernel that has loaded
// the module again.
const (
	fakeModels  = 1023
	fakeCellNum = 1077
)

var fakeNodes = map[string]int32{"name": 1101, "id": 1080, "create": 1103, "destroy": 1079, "list": 1105}

func (k *fakeKernel) sysctl(mib []int32, old, newp []byte) (int, error) {
	return k.call(k.self, mib, old, newp)
}

func (k *fakeKernel) call(p *fakeProc, mib []int32, old, newp []byte) (int, error) {
	if mib[len(mib)-1] == ctlQuery {
		return k.query(mib[:len(mib)-1], old, newp)
	}
	if mib[0] == ctlKern && len(mib) == 6 && mib[1] == kernProc2 {
		return k.proc2(p, mib, old)
	}
	prefix := []int32{ctlSecurity, fakeModels, fakeCellNum}
	if k.absent || len(mib) != 4 || !slices.Equal(mib[:3], prefix) {
		return 0, syscall.ENOENT
	}
	switch mib[3] {
	case fakeNodes["create"]:
		return k.create(p, old, newp)
	case fakeNodes["destroy"]:
		return 0, k.destroy(p, newp)
	case fakeNodes["list"]:
		return k.list(p, old, newp)
	case fakeNodes["id"]:
		return 0, k.enter(p, newp)
	}
	return 0, syscall.ENOENT
}

func (k *fakeKernel) query(mib []int32, old, newp []byte) (int, error) {
	if len(newp) != nodeSize || binary.NativeEndian.Uint32(newp) != sysctlVers1 {
		return 0, syscall.EINVAL
	}
	children := map[string]int32{}
	switch {
	case slices.Equal(mib, []int32{ctlSecurity}):
		children["curtain"] = 1
		children["models"] = fakeModels
	case slices.Equal(mib, []int32{ctlSecurity, fakeModels}):
		children["suser"] = 7
		if !k.absent {
			children["cell"] = fakeCellNum
		}
	case slices.Equal(mib, []int32{ctlSecurity, fakeModels, fakeCellNum}) && !k.absent:
		children = fakeNodes
	default:
		return 0, syscall.ENOENT
	}
	var b []byte
	for name, num := range children {
		b = append(b, fakeNode(name, num)...)
	}
	return copyOut(b, old)
}

func fakeNode(name string, num int32) []byte {
	b := make([]byte, nodeSize)
	binary.NativeEndian.PutUint32(b, sysctlVers1)
	binary.NativeEndian.PutUint32(b[nodeNum:], uint32(num))
	copy(b[nodeName:], name)
	return b
}

func copyOut(b, old []byte) (int, error) {
	switch {
	case old == nil:
		return len(b), nil
	case len(old) < len(b):
		return 0, syscall.ENOMEM
	}
	return copy(old, b), nil
}

func (p *fakeProc) hostRoot() bool { return p.uid == 0 && p.cell == 0 }

func (k *fakeKernel) create(p *fakeProc, old, newp []byte) (int, error) {
	order, l := binary.NativeEndian, k.layout
	switch {
	case newp == nil:
		return 0, syscall.EINVAL
	case !p.hostRoot():
		return 0, syscall.EPERM
	case len(old) < l.createSize && l.rlimits != 0: // older ones did not ask
		return 0, syscall.ENOMEM
	case len(newp) != l.createSize:
		return 0, syscall.EINVAL
	}
	c := &fakeCell{flags: order.Uint32(newp)}
	if c.flags&^0x1f != 0 || l.rlimits == 0 && c.flags&^0x3 != 0 {
		return 0, syscall.EINVAL
	}
	n := order.Uint16(newp[12:])
	if n > 32 || (n == 0) != (c.flags&2 == 0) {
		return 0, syscall.EINVAL
	}
	for i := range int(n) {
		port := order.Uint16(newp[14+2*i:])
		if port == 0 || slices.Contains(c.ports, port) {
			return 0, syscall.EINVAL
		}
		c.ports = append(c.ports, port)
	}
	if l.rlimits != 0 {
		for i := range c.rlim {
			c.rlim[i] = order.Uint64(newp[l.rlimits+8*i:])
			if c.rlim[i] != 0 && c.flags&(4<<i) == 0 {
				return 0, syscall.EINVAL
			}
		}
	}
	if order.Uint32(newp[8:]) > 2 {
		return 0, syscall.EINVAL
	}
	var err error
	if c.name, err = text(newp[l.createName : l.createName+64]); err != nil || checkName(c.name) != nil {
		return 0, syscall.EINVAL
	}
	if c.root, err = text(newp[l.createRoot : l.createRoot+256]); err != nil || checkRoot(c.root) != nil {
		return 0, syscall.EINVAL
	}
	if err := k.admit(c); err != nil {
		return 0, err
	}
	c.id = k.nextID
	k.nextID++
	k.cells = append([]*fakeCell{c}, k.cells...)
	reply := slices.Clone(newp)
	order.PutUint32(reply[4:], c.id)
	return copyOut(reply, old)
}

// admit makes the checks that come after the request's own.
func (k *fakeKernel) admit(c *fakeCell) error {
	if !slices.Contains(k.dirs, c.root) {
		if slices.Contains(k.files, c.root) {
			return syscall.ENOTDIR
		}
		return syscall.ENOENT
	}
	for _, other := range k.cells {
		if other.name == c.name {
			return syscall.EEXIST
		}
	}
	for _, other := range k.cells {
		for _, port := range c.ports {
			if slices.Contains(other.ports, port) {
				return syscall.EEXIST
			}
		}
	}
	if k.nextID == 0 {
		return syscall.EOVERFLOW
	}
	return nil
}

func (k *fakeKernel) destroy(p *fakeProc, newp []byte) error {
	if newp == nil {
		return syscall.EINVAL
	}
	if !p.hostRoot() {
		return syscall.EPERM
	}
	if len(newp) != 4 {
		return syscall.EINVAL
	}
	id := binary.NativeEndian.Uint32(newp)
	if id == 0 {
		return syscall.EINVAL
	}
	i := slices.IndexFunc(k.cells, func(c *fakeCell) bool { return c.id == id })
	if i < 0 {
		return syscall.ENOENT
	}
	if slices.ContainsFunc(k.procs, func(q *fakeProc) bool { return q.cell == id }) {
		return syscall.EBUSY
	}
	k.cells = slices.Delete(k.cells, i, i+1)
	return nil
}

func (k *fakeKernel) list(p *fakeProc, old, newp []byte) (int, error) {
	if newp != nil || p.cell != 0 {
		return 0, syscall.EPERM
	}
	order, l := binary.NativeEndian, k.layout
	var all []byte
	for _, c := range k.cells {
		b := make([]byte, l.infoSize)
		order.PutUint32(b, c.id)
		copy(b[16:], c.name)
		copy(b[80:], c.root)
		if l.created != 0 {
			order.PutUint32(b[4:], c.flags)
			order.PutUint64(b[l.created:], uint64(c.id)*1e9)
		}
		members := 0
		for _, q := range k.procs {
			if q.cell == c.id {
				members++
			}
		}
		order.PutUint64(b[8:], uint64(members))
		order.PutUint64(b[l.processes:], uint64(members))
		all = append(all, b...)
	}
	if k.garble != nil {
		all = k.garble(all)
	}
	return copyOut(all, old)
}

func (k *fakeKernel) enter(p *fakeProc, newp []byte) error {
	if !p.hostRoot() {
		return syscall.EPERM
	}
	id := binary.NativeEndian.Uint32(newp)
	for _, c := range k.cells {
		if c.id != id {
			continue
		}
		if p.root != c.root {
			return syscall.EPERM
		}
		p.cell = id
		if k.onEnter != nil {
			k.onEnter(p)
		}
		return nil
	}
	return syscall.ENOENT
}

// proc2 shows host root every process and a member its cell's.
func (k *fakeKernel) proc2(p *fakeProc, mib []int32, old []byte) (int, error) {
	var b []byte
	for _, q := range k.procs {
		if !p.hostRoot() && q.cell != p.cell {
			continue
		}
		one := make([]byte, mib[4])
		binary.NativeEndian.PutUint32(one[procPid:], uint32(q.pid))
		one[procStat] = q.stat
		b = append(b, one...)
	}
	if old == nil {
		return len(b), nil
	}
	if len(b) > len(old) || len(b) > int(mib[4]*mib[5]) {
		return 0, syscall.ENOMEM
	}
	return copy(old, b), nil
}

// kill is kill(-1) by p.
func (k *fakeKernel) kill(p *fakeProc, sig int) error {
	if k.onKill != nil {
		k.onKill()
	}
	hit := false
	for _, q := range k.procs {
		if q != p && q.cell == p.cell && q.stat != statZombie {
			hit = true
			if sig == sigKill {
				q.stat = statZombie
			}
		}
	}
	if !hit {
		return syscall.ESRCH
	}
	return nil
}

// spawn adds a process to a cell.
func (k *fakeKernel) spawn(cell uint32) *fakeProc {
	k.nextPid++
	p := &fakeProc{pid: k.nextPid, cell: cell, root: "/", stat: 2}
	k.procs = append(k.procs, p)
	return p
}

func (k *fakeKernel) called(prefix string) int {
	n := 0
	for _, line := range k.log {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}
