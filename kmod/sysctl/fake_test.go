package sysctl

// A kernel with the module, for tests: the same structures, the same order of
// errors. Only what sysctl(3) shows of it is imitated. The nodes that the
// published module has are here, the others in fakeown_test.go.

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

type fakeCell struct {
	id    uint32
	name  string
	root  string
	ports []uint16
	flags uint32
	rlim  [3]uint64
	fakeOwn
}

type fakeProc struct {
	pid    int
	cell   uint32
	uid    int
	root   string // where its root directory is
	stat   byte
	thread byte   // what one of its threads does; 0 = the same
	status uint32 // once it is a zombie
}

// fakeKernel is not safe for concurrent use.
type fakeKernel struct {
	layout  *layout
	absent  bool   // the module is not loaded
	abi     uint32 // what the node says; 0: a published module, which has none
	without string // a node that is missing
	cells   []*fakeCell
	host    wire.Policy // what it reserves for itself
	nextID  uint32
	dirs    []string // directories there are
	files   []string // other files there are
	procs   []*fakeProc
	nextPid int
	self    *fakeProc // the client's process
	// onEnter runs when a helper has entered, onKill before each signal.
	onEnter func(helper *fakeProc)
	onKill  func()
	onStop  func() // after each SIGSTOP to a cell
	// onKilled runs after each signal to all members.
	onKilled func()
	emul     []string // nodes below emul
	dieAt    string   // the step before which a helper dies
	endErr   error    // of the end of a helper
	noMemory bool     // for a helper's list
	// onWatch runs when the end of a process was asked for, onWait when it is
	// waited for.
	onWatch, onWait func()
	watching        int
	watchErr        error
	// garble changes what list, and a node that is garbled, gives.
	garble  func([]byte) []byte
	garbled string
	// Sockets, by their owners' pids and by family and protocol.
	opened map[int][]byte
	pcbs   map[[2]int32][]byte
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
	fakePCBList = 40
)

var fakeNodes = map[string]int32{"name": 1101, "id": 1080, "create": 1103, "destroy": 1079, "list": 1105}

var fakeOwnNodes = map[string]int32{"abi": 1200, "policy": 1206, "procs": 1203, "kill": 1202, "stats": 1201, "status": 1199}

// children are the nodes that this kernel has.
func (k *fakeKernel) children() map[string]int32 {
	nodes := maps.Clone(fakeNodes)
	if k.abi != 0 {
		maps.Copy(nodes, fakeOwnNodes)
	}
	delete(nodes, k.without)
	return nodes
}

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
	if mib[0] != ctlSecurity {
		return k.others(mib, old)
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
	if k.abi == 0 {
		return 0, syscall.ENOENT
	}
	return k.callOwn(p, mib[3], old, newp)
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
		children = k.children()
	case slices.Equal(mib, []int32{ctlEmul}) && len(k.emul) > 0:
		for i, name := range k.emul {
			children[name] = int32(i)
		}
	case len(mib) == 3 && mib[0] == ctlNet && k.pcbs[[2]int32(mib[1:])] != nil:
		children = map[string]int32{"stats": 1, "pcblist": fakePCBList}
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
	l := k.layout
	switch {
	case newp == nil:
		return 0, syscall.EINVAL
	case !p.hostRoot():
		return 0, syscall.EPERM
	case len(old) < l.createSize && l == &layouts[0]: // older ones did not ask
		return 0, syscall.ENOMEM
	case len(newp) != l.createSize:
		return 0, syscall.EINVAL
	}
	var w cellCreate
	if l == &layouts[1] {
		var o cellCreate400
		copy(view(&o), newp)
		w = cellCreate{flags: o.flags, profile: o.profile, nports: o.nports, ports: o.ports, name: o.name, root: o.root}
	} else {
		copy(view(&w), newp)
	}
	c, err := fakeRequest(&w, l == &layouts[1])
	if err != nil {
		return 0, err
	}
	if err := k.admit(c); err != nil {
		return 0, err
	}
	c.id = k.nextID
	k.nextID++
	k.cells = append([]*fakeCell{c}, k.cells...)
	reply := slices.Clone(newp)
	binary.NativeEndian.PutUint32(reply[4:], c.id)
	return copyOut(reply, old)
}

// fakeRequest checks a request by itself.
func fakeRequest(w *cellCreate, old bool) (*fakeCell, error) {
	c := &fakeCell{flags: w.flags, rlim: w.rlimits}
	if c.flags&^0x1f != 0 || old && c.flags&^0x3 != 0 {
		return nil, syscall.EINVAL
	}
	if w.nports > 32 || (w.nports == 0) != (c.flags&2 == 0) {
		return nil, syscall.EINVAL
	}
	for _, port := range w.ports[:w.nports] {
		if port == 0 || slices.Contains(c.ports, port) {
			return nil, syscall.EINVAL
		}
		c.ports = append(c.ports, port)
	}
	for i, v := range w.rlimits {
		if v != 0 && c.flags&(4<<i) == 0 {
			return nil, syscall.EINVAL
		}
	}
	if w.profile > 2 {
		return nil, syscall.EINVAL
	}
	var err error
	if c.name, err = text(w.name[:]); err != nil || kmod.CheckName(c.name) != nil {
		return nil, syscall.EINVAL
	}
	if c.root, err = text(w.root[:]); err != nil || kmod.CheckRoot(c.root) != nil {
		return nil, syscall.EINVAL
	}
	c.profilePolicy(policy.Profile(w.profile))
	return c, nil
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
	var all []byte
	for _, c := range k.cells {
		members := uint64(0)
		for _, q := range k.procs {
			if q.cell == c.id {
				members++
			}
		}
		w := cellInfo{id: c.id, flags: c.flags, refcount: members, processes: members, created: uint64(c.id) * 1e9}
		copy(w.name[:], c.name)
		copy(w.root[:], c.root)
		if k.layout == &layouts[1] {
			o := cellInfo368{id: w.id, refcount: w.refcount, name: w.name, root: w.root, processes: w.processes}
			all = append(all, fill(view(&o), 368)...)
		} else {
			all = append(all, view(&w)...)
		}
	}
	if k.garble != nil && k.garbled == "" {
		all = k.garble(all)
	}
	return copyOut(all, old)
}

// fill copes with 32-bit machines, on which no kernel has the old cell_info
// and Go's twin of it is shorter.
func fill(b []byte, size int) []byte {
	if len(b) < size { // the gap is behind the id
		b = append(append(slices.Clone(b[:4]), make([]byte, size-len(b))...), b[4:]...)
	}
	return b
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
		if err := k.enterOwn(c, p); err != nil {
			return err
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
		if !p.hostRoot() && q.cell != p.cell || mib[2] == kernProcPid && int(mib[3]) != q.pid {
			continue
		}
		one := make([]byte, mib[4])
		binary.NativeEndian.PutUint32(one[procPid:], uint32(q.pid))
		binary.NativeEndian.PutUint32(one[procParent:], 1)
		binary.NativeEndian.PutUint32(one[procUID:], uint32(q.uid))
		binary.NativeEndian.PutUint32(one[procRSS:], 3)
		binary.NativeEndian.PutUint32(one[procTime:], 2)
		binary.NativeEndian.PutUint32(one[procTime+4:], 500)
		binary.NativeEndian.PutUint32(one[procReaped+4:], 250)
		copy(one[procComm:], "prog")
		one[procStat], one[procRealStat] = q.stat, q.stat
		if q.thread != 0 {
			one[procStat] = q.thread
		}
		if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // a big endian machine
			one[procRealStat], one[procRealStat+7] = 0, q.stat
		}
		b = append(b, one...)
	}
	if k.garbled == "proc2" {
		b = k.garble(b)
	}
	if old == nil {
		return len(b), nil
	}
	if k.noMemory && p.cell != 0 || len(b) > len(old) || len(b) > int(mib[4]*mib[5]) {
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
			q.signal(sig)
		}
	}
	k.stopped(sig)
	if k.onKilled != nil {
		k.onKilled()
	}
	if !hit {
		return syscall.ESRCH
	}
	return nil
}

// signal does what a signal does to a process that handles none of these.
func (p *fakeProc) signal(sig int) {
	switch sig {
	case sigKill:
		p.stat = statZombie
	case sigStop:
		p.stat = statStopped
	case sigCont:
		p.stat = 2
	}
}

func (k *fakeKernel) stopped(sig int) {
	if sig == sigStop && k.onStop != nil {
		k.onStop()
	}
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
