package kmod

// The nodes of the module, by calls of sysctl(2) that no client would make:
// sizes, addresses, and which errno comes first.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
	"golang.org/x/sys/unix"
)

// wantNode makes a raw call as root on the host.
func (w *world) wantNode(result string, q node.Call) node.Reply {
	r := q.Do()
	w.checkNode(result, "", q, r)
	return r
}

func (w *world) checkNode(result, who string, q node.Call, r node.Reply) {
	if r.Result() != result {
		w.Errorf("%s%s with %d bytes, room for %d = %s (%s); want %s", who, q.Name, max(len(q.Request), q.BadRequest), q.Room, r.Result(), r.Detail, result)
	}
}

// rawCreate makes a cell by its request.
func (w *world) rawCreate(result string, c *wire.Create) (kmod.ID, wire.Create) {
	r := w.wantNode(result, node.Call{Name: "create", Request: pack(c), Room: createSize})
	var got wire.Create
	if r.Errno != "" {
		return 0, got
	}
	w.Must("read the reply of create", unpack(r.Bytes, &got))
	w.track(kmod.ID(got.ID))
	return kmod.ID(got.ID), got
}

// aRequest is a node's request that is well formed but for the cell, which is
// not there.
type aRequest struct {
	node string
	good []byte
}

func nodeRequests() []aRequest {
	const none = kmod.ID(1<<32 - 1)
	return []aRequest{
		{"destroy", packID(none)},
		{"policy", pack(newPolicy(none))},
		{"policy", packID(none)},
		{"procs", packID(none)},
		{"kill", pack(&wire.Kill{ID: uint32(none), Signal: 15})},
		{"stats", packID(none)},
		{"status", packID(none)},
	}
}

var raws = []harness.Case{
	{
		Name: "raw/abi", Clause: "node abi", Does: "anybody reads the version: root, a user, a cell", OS: netbsd,
		Run: in(func(w *world) {
			q := node.Call{Name: "abi", Room: 4}
			host, m := w.unconfined(0), w.agent(w.cell(w.high(nil)), entry{})
			for _, r := range []node.Reply{q.Do(), host.nodeAs(1000, q), m.node(q), m.nodeAs(1000, q)} {
				if r.Errno != "" || !bytes.Equal(r.Bytes, binary.NativeEndian.AppendUint32(nil, wire.Version)) {
					w.Errorf("abi = % x, %s; want %d", r.Bytes, r.Result(), wire.Version)
				}
			}
		}),
	},
	{
		Name: "raw/name", Clause: "node name", Does: "it is a string that cannot be written", OS: netbsd,
		Run: in(func(w *world) {
			r := w.wantNode("ok", node.Call{Name: "name", Room: 256})
			if len(r.Bytes) < 2 || r.Bytes[len(r.Bytes)-1] != 0 {
				w.Errorf("name = %q", r.Bytes)
			}
			w.wantNode("EPERM", node.Call{Name: "name", Request: []byte("x\x00"), Room: 256})
		}),
	},
	{
		Name: "raw/id-read", Clause: "node id", Does: "root on the host reads 0; others are EPERM", OS: netbsd,
		Run: in(func(w *world) {
			q := node.Call{Name: "id", Room: 4}
			if r := w.wantNode("ok", q); !bytes.Equal(r.Bytes, []byte{0, 0, 0, 0}) {
				w.Errorf("id = % x; want 0", r.Bytes)
			}
			w.checkNode("EPERM", "user 1000: ", q, w.unconfined(0).nodeAs(1000, q))
			m := w.agent(w.cell(w.spec(policy.Low)), entry{})
			w.checkNode("EPERM", "a cell's root: ", q, m.node(q))
			w.checkNode("EPERM", "a cell's user: ", q, m.nodeAs(1000, q))
		}),
	},
	{
		Name: "raw/id-write", Clause: "node id", Does: "0 does nothing; another size, an address, a cell that is not there", OS: netbsd,
		Run: in(func(w *world) {
			w.wantNode("ok", node.Call{Name: "id", Request: packID(0)})
			for _, size := range []int{1, 3, 5, 8} {
				w.wantNode("EINVAL", node.Call{Name: "id", Request: make([]byte, size)})
			}
			w.wantNode("EFAULT", node.Call{Name: "id", BadRequest: idSize})
			w.wantNode("ENOENT", node.Call{Name: "id", Request: packID(1<<32 - 1)})
			id := w.cell(w.high(nil))
			w.wantNode("EPERM", node.Call{Name: "id", Request: packID(id)}) // this process is at another root
			q := node.Call{Name: "id", Request: packID(0)}
			w.checkNode("EPERM", "user 1000: ", q, w.unconfined(0).nodeAs(1000, q))
			q = node.Call{Name: "id", Request: []byte{0}}
			w.checkNode("EPERM", "user 1000, EPERM before EINVAL: ", q, w.unconfined(0).nodeAs(1000, q))
		}),
	},
	{
		Name: "raw/create-reply", Clause: "node create", Does: "the reply is the request with its id", OS: netbsd,
		Run: in(func(w *world) {
			c := w.newCreate()
			c.ID, c.Pad = 77, 3
			id, got := w.rawCreate("ok", c)
			c.ID = uint32(id)
			if id == 0 || id == 77 || !bytes.Equal(pack(c), pack(&got)) {
				w.Errorf("reply is %+v; want the request %+v with a new id", got, *c)
			}
		}),
	},
	{
		Name: "raw/create-size", Clause: "node create: EINVAL", Does: "a request of another size than 424 bytes is EINVAL", OS: netbsd,
		Run: in(func(w *world) {
			good := pack(w.newCreate())
			for _, size := range []int{1, 4, 400, 423, 425, 848} {
				b := append(slices.Clone(good), make([]byte, 848)...)[:size]
				w.wantNode("EINVAL", node.Call{Name: "create", Request: b, Room: 1024})
			}
		}),
	},
	{
		Name: "raw/create-order", Clause: "node create: order of errors", Does: "nothing written, not root, no room, size, address: in this order", OS: netbsd,
		Run: in(createErrorOrder),
	},
	{
		Name: "raw/create-room", Clause: "node create: ENOMEM", Does: "without room for the reply no cell is made", OS: netbsd,
		Run: in(func(w *world) {
			before, err := w.mine()
			w.Must("list cells", err)
			c := pack(w.newCreate())
			for _, q := range []node.Call{
				{Name: "create", Request: c},
				{Name: "create", Request: c, Room: createSize - 1},
				{Name: "create", Request: c, Room: createSize, NoReply: true},
			} {
				w.wantNode("ENOMEM", q)
			}
			if after, err := w.mine(); err != nil || len(after) != len(before) {
				w.Errorf("there are %d cells, %v; want %d", len(after), err, len(before))
			}
		}),
	},
	{
		Name: "raw/create-bad-reply", Clause: "node create: EFAULT", Does: "a reply that can't be written is EFAULT, and leaves no cell", OS: netbsd,
		Run: in(func(w *world) {
			before, err := w.mine()
			w.Must("list cells", err)
			w.wantNode("EFAULT", node.Call{Name: "create", Request: pack(w.newCreate()), Room: createSize, BadReply: true})
			after, err := w.mine()
			if err != nil || len(after) != len(before) {
				w.Errorf("there are %d cells, %v; want %d", len(after), err, len(before))
			}
			for _, c := range after[:max(len(after)-len(before), 0)] {
				w.track(c.ID)
			}
		}),
	},
	{
		Name: "raw/create-fields", Clause: "node create: EINVAL", Does: "each field is checked", OS: netbsd,
		Run: in(createFields),
	},
	{
		Name: "raw/create-optional", Clause: "node create: cc_flags", Does: "every optional field is taken, and listed", OS: netbsd,
		Run: in(createOptional),
	},
	{
		Name: "raw/list-record", Clause: "node list", Does: "a record has the fields of its cell", OS: netbsd,
		Run: in(func(w *world) {
			id, c := w.rawCreate("ok", w.newCreate())
			w.waiter(id)
			info := w.rawListed(id)
			if info.Name != c.Name || info.Root != c.Root || info.Flags != 0 || info.Created == 0 || info.Refs < 1 ||
				info.RlimitNofile|info.RlimitAS|info.RlimitCore != 0 {
				w.Errorf("record is %+v; want name, root, time, at least one reference, no rlimits", info)
			}
			w.Eventually(func() bool { i := w.rawListed(id); return i.Processes == 1 && i.Memory > 0 }, "the record does not count process and memory")
		}),
	},
	{
		Name: "raw/list-size", Clause: "node list: ENOMEM", Does: "too little room is ENOMEM with the length needed; asking for the length is no error", OS: netbsd,
		Run: in(func(w *world) {
			w.cell(w.high(nil))
			w.cell(w.high(nil))
			r := w.wantNode("ok", node.Call{Name: "list", Room: 1, NoReply: true})
			if r.Size < 2*infoSize {
				w.Fatalf("the length is %d; want at least 2 records of %d", r.Size, infoSize)
			}
			for _, room := range []int{1, infoSize, r.Size - 1} {
				if got := w.wantNode("ENOMEM", node.Call{Name: "list", Room: room}); got.Size != r.Size {
					w.Errorf("with room for %d, the length is %d; want %d", room, got.Size, r.Size)
				}
			}
			if got := w.wantNode("ok", node.Call{Name: "list", Room: 10 * r.Size}); got.Size%infoSize != 0 {
				w.Errorf("the list has %d bytes, no multiple of %d", got.Size, infoSize)
			}
		}),
	},
	{
		Name: "raw/list-write", Clause: "node list: EPERM", Does: "the list can't be written; any user of the host reads it, no cell does", OS: netbsd,
		Run: in(func(w *world) {
			q := node.Call{Name: "list", Request: packID(0), Room: 1 << 16}
			w.wantNode("EPERM", q)
			q.Request = nil
			w.checkNode("ok", "user 1000: ", q, w.unconfined(0).nodeAs(1000, q))
			m := w.agent(w.cell(w.spec(policy.Low)), entry{})
			w.checkNode("EPERM", "a cell's root: ", q, m.node(q))
		}),
	},
	{
		Name: "raw/errors", Clause: "nodes destroy, policy, procs, kill, stats, status", Does: "nothing written, not root, size, address, no such cell: in this order", OS: netbsd,
		Run: in(commonErrors),
	},
	{
		Name: "raw/destroy-host", Clause: "node destroy: EINVAL", Does: "0, the host, is EINVAL", OS: netbsd,
		Run: in(func(w *world) { w.wantNode("EINVAL", node.Call{Name: "destroy", Request: packID(0)}) }),
	},
	{
		Name: "raw/procs", Clause: "node procs", Does: "pids, ascending, and how much room they need", OS: netbsd,
		Run: in(rawProcs),
	},
	{
		Name: "raw/kill", Clause: "node kill", Does: "it gives the number of processes that were signalled", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			a, b := w.agent(id, entry{}), w.agent(id, entry{})
			a.must("trap", "USR1")
			b.must("trap", "USR1")
			q := node.Call{Name: "kill", Request: pack(&wire.Kill{ID: uint32(id), Signal: int32(unix.SIGUSR1)}), Room: 4}
			if r := w.wantNode("ok", q); !bytes.Equal(r.Bytes, packID(2)) {
				w.Errorf("kill gives % x; want 2", r.Bytes)
			}
			q.Room = 0
			w.wantNode("ok", q) // the reply may be left out
		}),
	},
	{
		Name: "raw/kill-signal", Clause: "node kill: EINVAL", Does: "signals are 1 to 63", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for _, sig := range []int32{0, -1, 64, 1 << 20, -1 << 31} {
				w.wantNode("EINVAL", node.Call{Name: "kill", Request: pack(&wire.Kill{ID: uint32(id), Signal: sig})})
			}
			w.wantNode("EINVAL", node.Call{Name: "kill", Request: pack(&wire.Kill{ID: 1<<32 - 1})}) // before ENOENT
			w.wantNode("ok", node.Call{Name: "kill", Request: pack(&wire.Kill{ID: uint32(id), Signal: 63})})
		}),
	},
	{
		Name: "raw/stats", Clause: "node stats", Does: "flags and limits follow the cell's life", OS: netbsd,
		Run: in(rawStats),
	},
	{
		Name: "raw/stats-last", Clause: "node stats", Does: "the last denial says its class, and who asked", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			m := w.agent(id, entry{})
			m.want("EPERM", "mknod", "/dev/null")
			if s := w.rawStatsOf(id); s.LastClass != 9 || int(s.LastPid) != m.pid || s.LastUID != 0 || s.LastTime == 0 {
				w.Errorf("last denial is class %d, pid %d, uid %d at %d; want class 9 (system.mknod), pid %d, uid 0", s.LastClass, s.LastPid, s.LastUID, s.LastTime, m.pid)
			}
			m.must("setuid", "1000")
			outsider := w.onHost(0)
			m.want("EPERM", "kill", decimal(outsider.pid), "0")
			if s := w.rawStatsOf(id); s.LastClass != 140 || int(s.LastPid) != m.pid || s.LastUID != 1000 {
				w.Errorf("last denial is class %d, pid %d, uid %d; want class 140 (process.signal.other_cell), pid %d, uid 1000", s.LastClass, s.LastPid, s.LastUID, m.pid)
			}
		}),
	},
	{
		Name: "raw/status", Clause: "node status", Does: "nobody, running, ended: with pid and status", OS: netbsd,
		Run: in(rawStatus),
	},
	{
		Name: "raw/room", Clause: "nodes policy, stats, status: ENOMEM", Does: "too little room for the reply is ENOMEM", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for name, size := range map[string]int{"policy": policySize, "stats": statsSize, "status": statusSize} {
				w.wantNode("ENOMEM", node.Call{Name: name, Request: packID(id), Room: size - 1})
				if r := w.wantNode("ok", node.Call{Name: name, Request: packID(id), Room: size + 100}); r.Size != size {
					w.Errorf("%s gives %d bytes; want %d", name, r.Size, size)
				}
			}
		}),
	},
}

func createErrorOrder(w *world) {
	good, host := pack(w.newCreate()), w.unconfined(0)
	m := w.agent(w.cell(w.spec(policy.Low)), entry{})
	wrong := good[:len(good)-1]
	user := func(q node.Call) node.Reply { return host.nodeAs(1000, q) }
	root := func(q node.Call) node.Reply { return q.Do() }
	for _, x := range []struct {
		who    string
		call   func(node.Call) node.Reply
		result string
		q      node.Call
	}{
		{"user 1000, nothing written: ", user, "EINVAL", node.Call{Name: "create", Room: createSize}},
		{"a cell, nothing written: ", m.node, "EINVAL", node.Call{Name: "create", Room: createSize}},
		{"root, nothing written: ", root, "EINVAL", node.Call{Name: "create"}},
		{"user 1000, no room: ", user, "EPERM", node.Call{Name: "create", Request: good}},
		{"a cell, no room: ", m.node, "EPERM", node.Call{Name: "create", Request: good}},
		{"a cell: ", m.node, "EPERM", node.Call{Name: "create", Request: good, Room: createSize}},
		{"root, no room, wrong size: ", root, "ENOMEM", node.Call{Name: "create", Request: wrong, Room: createSize - 1}},
		{"root, no room, bad address: ", root, "ENOMEM", node.Call{Name: "create", BadRequest: createSize, Room: createSize - 1}},
		{"root, wrong size, bad address: ", root, "EINVAL", node.Call{Name: "create", BadRequest: createSize + 1, Room: createSize}},
		{"root, bad address: ", root, "EFAULT", node.Call{Name: "create", BadRequest: createSize, Room: createSize}},
	} {
		w.checkNode(x.result, x.who, x.q, x.call(x.q))
	}
}

// createFields tries one wrong field each.
func createFields(w *world) {
	fill := func(b []byte, s string) {
		clear(b)
		copy(b, s)
	}
	for _, x := range []struct {
		name, result string
		change       func(*wire.Create)
	}{
		{"unknown flag", "EINVAL", func(c *wire.Create) { c.Flags = 0x20 }},
		{"all flags", "EINVAL", func(c *wire.Create) { c.Flags = ^uint32(0) }},
		{"ports without their flag", "EINVAL", func(c *wire.Create) { c.NPorts, c.Ports[0] = 1, 80 }},
		{"flag without ports", "EINVAL", func(c *wire.Create) { c.Flags = wire.CreatePorts }},
		{"33 ports", "EINVAL", func(c *wire.Create) { c.Flags, c.NPorts = wire.CreatePorts, 33 }},
		{"65535 ports", "EINVAL", func(c *wire.Create) { c.Flags, c.NPorts = wire.CreatePorts, 1<<16-1 }},
		{"port 0", "EINVAL", func(c *wire.Create) { c.Flags, c.NPorts, c.Ports[0] = wire.CreatePorts, 2, 80 }},
		{"port twice", "EINVAL", func(c *wire.Create) { c.Flags, c.NPorts, c.Ports[0], c.Ports[1] = wire.CreatePorts, 2, 80, 80 }},
		{"rlimit nofile without its flag", "EINVAL", func(c *wire.Create) { c.RlimitNofile = 1 }},
		{"rlimit as without its flag", "EINVAL", func(c *wire.Create) { c.Flags, c.RlimitAS = wire.CreateRlimitNofile, 1 }},
		{"rlimit core without its flag", "EINVAL", func(c *wire.Create) { c.RlimitCore = 1 }},
		{"profile 3", "EINVAL", func(c *wire.Create) { c.Flags, c.Profile = wire.CreateProfile, 3 }},
		{"empty name", "EINVAL", func(c *wire.Create) { clear(c.Name[:]) }},
		{"unterminated name", "EINVAL", func(c *wire.Create) { fill(c.Name[:], strings.Repeat("n", 64)) }},
		{"name with +", "EINVAL", func(c *wire.Create) { fill(c.Name[:], "a+b") }},
		{"name with /", "EINVAL", func(c *wire.Create) { fill(c.Name[:], "a/b") }},
		{"name with a byte over 127", "EINVAL", func(c *wire.Create) { fill(c.Name[:], "\xff") }},
		{"empty root", "EINVAL", func(c *wire.Create) { clear(c.Root[:]) }},
		{"relative root", "EINVAL", func(c *wire.Create) { fill(c.Root[:], "tmp") }},
		{"unterminated root", "EINVAL", func(c *wire.Create) { fill(c.Root[:], strings.Repeat("/", 256)) }},
		{"newline in root", "EINVAL", func(c *wire.Create) { fill(c.Root[:], w.root+"/\n") }},
		{"DEL in root", "EINVAL", func(c *wire.Create) { fill(c.Root[:], w.root+"/\x7f") }},
		{"missing root", "ENOENT", func(c *wire.Create) { fill(c.Root[:], w.root+"/missing") }},
		{"file for a root", "ENOTDIR", func(c *wire.Create) { fill(c.Root[:], w.root+"/probe") }},
		{"flags before ports", "EINVAL", func(c *wire.Create) { c.Flags = 0x21; fill(c.Root[:], "/missing") }},
		{"fields before namei", "EINVAL", func(c *wire.Create) { fill(c.Name[:], "a+b"); fill(c.Root[:], "/missing") }},
	} {
		c := w.newCreate()
		x.change(c)
		if id, _ := w.rawCreate(x.result, c); id != 0 {
			w.Errorf("%s: a cell was made", x.name)
		}
	}
	// The root is looked at before the name is compared with others.
	taken := w.newCreate()
	w.rawCreate("ok", taken)
	fill(taken.Root[:], w.root+"/missing")
	w.rawCreate("ENOENT", taken)
}

// createOptional gives every optional field, and looks at the list.
func createOptional(w *world) {
	c := w.newCreate()
	c.Flags = wire.CreateProfile | wire.CreatePorts | wire.CreateRlimitNofile | wire.CreateRlimitAS | wire.CreateRlimitCore
	c.Profile, c.NPorts = uint32(policy.Medium), 32
	for i := range c.Ports {
		c.Ports[i] = 9000 + uint16(i)
	}
	c.RlimitNofile, c.RlimitAS, c.RlimitCore = 100, 1<<30, 0
	id, _ := w.rawCreate("ok", c)
	info := w.rawListed(id)
	if info.Flags != c.Flags || info.RlimitNofile != 100 || info.RlimitAS != 1<<30 || info.RlimitCore != 0 {
		w.Errorf("record is %+v; want flags and rlimits of %+v", info, *c)
	}
	p := w.rawPolicyOf(id)
	if policy.Set(p.Permissions) != policy.Defaults(policy.Medium) || int(p.NPorts) != 32 || p.Network != wire.NetworkHost || p.MaxProcesses != 0 {
		w.Errorf("policy is permissions %s, %d ports, network %d, limit %d; want medium's, 32, the host's, none", policy.Set(p.Permissions), p.NPorts, p.Network, p.MaxProcesses)
	}
	// What is beyond the count is not looked at, and a flag alone sets 0.
	d := w.newCreate()
	d.Flags, d.NPorts, d.Ports[0], d.Ports[1] = wire.CreatePorts|wire.CreateRlimitCore, 1, 9100, 9000
	if id, _ := w.rawCreate("ok", d); id != 0 && w.rawListed(id).RlimitCore != 0 {
		w.Errorf("rlimit core is %d; want 0", w.rawListed(id).RlimitCore)
	}
}

// commonErrors tries what the nodes have in common.
func commonErrors(w *world) {
	host, m := w.unconfined(0), w.agent(w.cell(w.spec(policy.Low)), entry{})
	root := func(q node.Call) node.Reply { return q.Do() }
	user := func(q node.Call) node.Reply { return host.nodeAs(1000, q) }
	for _, x := range nodeRequests() {
		size := len(x.good)
		try := func(result, who string, call func(node.Call) node.Reply, q node.Call) {
			q.Name, q.Room = x.node, 4096
			w.checkNode(result, who, q, call(q))
		}
		try("EINVAL", "root, nothing written: ", root, node.Call{})
		try("EINVAL", "user 1000, nothing written: ", user, node.Call{})
		try("EPERM", "user 1000, wrong size: ", user, node.Call{Request: make([]byte, size+1)})
		try("EPERM", "user 1000: ", user, node.Call{Request: x.good})
		try("EPERM", "a cell's root: ", m.node, node.Call{Request: x.good})
		try("EPERM", "a cell's root, wrong size: ", m.node, node.Call{Request: make([]byte, 3)})
		for _, n := range []int{1, size - 1, size + 1, 2 * size} {
			try("EINVAL", "root, wrong size: ", root, node.Call{Request: make([]byte, n)})
		}
		try("EINVAL", "root, wrong size, bad address: ", root, node.Call{BadRequest: size + 1})
		try("EFAULT", "root, bad address: ", root, node.Call{BadRequest: size})
		try("ENOENT", "root: ", root, node.Call{Request: x.good})
	}
}

func rawProcs(w *world) {
	id := w.cell(w.high(nil))
	xs := []*waiter{w.waiter(id), w.waiter(id), w.waiter(id)}
	want := []int{xs[0].pid, xs[1].pid, xs[2].pid}
	slices.Sort(want)
	ask := node.Call{Name: "procs", Request: packID(id)}
	ask.Room, ask.NoReply = 1, true
	if r := w.wantNode("ok", ask); r.Size < 3*4 {
		w.Errorf("the length is %d; want at least 12", r.Size)
	}
	if r := w.wantNode("ENOMEM", node.Call{Name: "procs", Request: packID(id), Room: 8}); r.Size < 3*4 {
		w.Errorf("with too little room the length is %d; want at least 12", r.Size)
	}
	r := w.wantNode("ok", node.Call{Name: "procs", Request: packID(id), Room: 4096})
	var got []int
	for b := r.Bytes; len(b) >= 4; b = b[4:] {
		got = append(got, int(binary.NativeEndian.Uint32(b)))
	}
	if !slices.Equal(got, want) {
		w.Errorf("procs are %v; want %v", got, want)
	}
	xs[1].letGo()
	w.Eventually(func() bool { return ended(xs[1].pid) }, "the process has not ended")
	if r := w.wantNode("ok", node.Call{Name: "procs", Request: packID(id), Room: 4096}); len(r.Bytes) != 8 {
		w.Errorf("procs give %d bytes with an ended process; want 8", len(r.Bytes))
	}
	w.reap(xs[1].pid)
}

func rawStats(w *world) {
	id := w.cell(w.high(func(s *kmod.Spec) { s.MaxProcesses = 9 }))
	if s := w.rawStatsOf(id); s.ID != uint32(id) || s.Flags != 0 || s.Processes != 0 || s.MaxProcesses != 9 || s.LastTime != 0 || s.Reserved != 0 {
		w.Errorf("a new cell's stats are %+v", s)
	}
	x := w.waiter(id)
	if s := w.rawStatsOf(id); s.Flags != wire.StatsEntered || s.Processes != 1 {
		w.Errorf("stats of a cell with a process are %+v", s)
	}
	x.end()
	if s := w.rawStatsOf(id); s.Flags != wire.StatsEntered || s.Processes != 0 {
		w.Errorf("stats of a cell that had a process are %+v", s)
	}
	w.Must("kill cell", w.k.Kill(id, int(unix.SIGKILL)))
	if s := w.rawStatsOf(id); s.Flags != wire.StatsEntered|wire.StatsDying {
		w.Errorf("stats of a cell that was killed are %+v", s)
	}
}

func rawStatus(w *world) {
	id := w.cell(w.high(nil))
	check := func(when string, want wire.Status) {
		var got wire.Status
		r := w.wantNode("ok", node.Call{Name: "status", Request: packID(id), Room: statusSize})
		w.Must("read status", unpack(r.Bytes, &got))
		if want.ID = uint32(id); got != want {
			w.Errorf("%s, status is %+v; want %+v", when, got, want)
		}
	}
	check("before anybody entered", wire.Status{State: wire.StateEmpty})
	x, err := w.waiting(id, entry{}, 42)
	w.Must("enter", err)
	check("while it runs", wire.Status{State: wire.StateRunning, Pid: int32(x.pid)})
	x.letGo()
	w.Eventually(func() bool { return ended(x.pid) }, "the process has not ended")
	check("before it is reaped", wire.Status{State: wire.StateEnded, Pid: int32(x.pid), Status: exited(42)})
	w.reap(x.pid)
	check("after it was reaped", wire.Status{State: wire.StateEnded, Pid: int32(x.pid), Status: exited(42)})
	y := w.waiter(id)
	check("while another one runs", wire.Status{State: wire.StateEnded, Pid: int32(x.pid), Status: exited(42)})
	y.end()
}

func (w *world) rawListed(id kmod.ID) wire.Info {
	r := w.wantNode("ok", node.Call{Name: "list", Room: 1 << 20})
	for b := r.Bytes; len(b) >= infoSize; b = b[infoSize:] {
		var info wire.Info
		w.Must("read record", unpack(b[:infoSize], &info))
		if info.ID == uint32(id) {
			return info
		}
	}
	w.Fatalf("cell %d is not in the list", id)
	return wire.Info{}
}

func (w *world) rawStatsOf(id kmod.ID) (s wire.Stats) {
	r := w.wantNode("ok", node.Call{Name: "stats", Request: packID(id), Room: statsSize})
	w.Must(fmt.Sprintf("read stats of cell %d", id), unpack(r.Bytes, &s))
	return s
}

func (w *world) rawPolicyOf(id kmod.ID) (p wire.Policy) {
	r := w.wantNode("ok", node.Call{Name: "policy", Request: packID(id), Room: policySize})
	w.Must(fmt.Sprintf("read policy of cell %d", id), unpack(r.Bytes, &p))
	return p
}
