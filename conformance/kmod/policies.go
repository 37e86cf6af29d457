package kmod

// The node policy: what it takes, when, and what it gives back.

import (
	"bytes"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
	"golang.org/x/sys/unix"
)

// setPolicy writes a policy as root on the host.
func (w *world) setPolicy(result string, p *wire.Policy) {
	w.wantNode(result, node.Call{Name: "policy", Request: pack(p)})
}

var policies = []harness.Case{
	{
		Name: "policy/default", Clause: "node policy", Does: "a cell that was given none has its profile's, and create's ports", OS: netbsd,
		Run: in(func(w *world) {
			for _, profile := range policy.Profiles {
				c := w.newCreate()
				c.Flags, c.Profile, c.NPorts, c.Ports[0] = wire.CreateProfile|wire.CreatePorts, uint32(profile), 1, 9200
				id, _ := w.rawCreate("ok", c)
				want := newPolicy(id)
				want.Permissions, want.NPorts, want.Ports[0] = uint64(policy.Defaults(profile)), 1, policyPort(9200)
				if got := w.rawPolicyOf(id); got != *want {
					w.Errorf("policy at profile %s is %+v; want %+v", profile, got, *want)
				}
				w.destroy(id)
			}
			id, _ := w.rawCreate("ok", w.newCreate())
			if got := w.rawPolicyOf(id); policy.Set(got.Permissions) != policy.Defaults(policy.High) {
				w.Errorf("without a profile, permissions are %s; want high's", policy.Set(got.Permissions))
			}
		}),
	},
	{
		Name: "policy/read-back", Clause: "node policy", Does: "what was written is read back, and replaces what was before", OS: netbsd,
		Run: in(func(w *world) {
			id, _ := w.rawCreate("ok", w.newCreate())
			p := fullPolicy(id)
			w.setPolicy("ok", p)
			if got := w.rawPolicyOf(id); got != *p {
				w.Errorf("policy is %+v; want %+v", got, *p)
			}
			p = newPolicy(id)
			w.setPolicy("ok", p)
			if got := w.rawPolicyOf(id); got != *p {
				w.Errorf("policy is %+v; want %+v", got, *p)
			}
		}),
	},
	{
		Name: "policy/version-2", Clause: "node policy", Does: "who knows version 2 writes and reads a policy without devices, and gets no other for one", OS: netbsd,
		Run: in(func(w *world) {
			id, _ := w.rawCreate("ok", w.newCreate())
			p := fullPolicy(id)
			p.NDevices, p.Devices = 0, [wire.DeviceMax]wire.Device{}
			old, short := pack(p)[:wire.PolicySize2], node.Call{Name: "policy", Request: packID(id), Room: wire.PolicySize2}
			w.wantNode("ok", node.Call{Name: "policy", Request: old})
			if r := w.wantNode("ok", short); !bytes.Equal(r.Bytes, old) {
				w.Errorf("a short policy of %d bytes is not the one that was written", len(r.Bytes))
			}
			if got := w.rawPolicyOf(id); got != *p {
				w.Errorf("policy is %+v; want %+v", got, *p)
			}
			p.NDevices, p.Devices[0].Type = 1, wire.DeviceBlock
			w.setPolicy("ok", p)
			w.wantNode("ENOMEM", short)
			x := w.waiter(id)
			w.wantNode("EBUSY", node.Call{Name: "policy", Request: old})
			x.end()
		}),
	},
	{
		Name: "policy/host", Clause: "node policy: cell 0", Does: "the host reserves ports and addresses for itself: cells can't bind them, its own users can", OS: netbsd,
		Run: in(func(w *world) {
			w.withAddress(foreign)
			port, free := w.freePort(), w.freePort()
			p := newPolicy(0)
			p.NPorts, p.Ports[0] = 1, policyPort(port)
			w.setPolicy("ok", p)
			defer w.setPolicy("ok", newPolicy(0))
			if got := w.rawPolicyOf(0); got != *p {
				w.Errorf("policy of the host is %+v; want %+v", got, *p)
			}
			m := w.agent(w.cell(w.high(nil)), entry{})
			m.want("EACCES", "bind", "tcp", at(own, port))
			m.want("EACCES", "bind", "udp", at(wildcard, port))
			m.want("ok", "bind", "tcp", at(own, free))
			w.onHost(1000).want("ok", "bind", "tcp", at(own, port))

			b := foreign.As4()
			p.Network, p.NAddresses, p.Addresses[0] = wire.NetworkAddresses, 1, policyAddress(b[:]...)
			w.setPolicy("ok", p)
			m.want("EACCES", "bind", "tcp", at(foreign, free))
			m.want("EACCES", "bind", "tcp", at(wildcard, free))
			m.want("ok", "bind", "tcp", at(own, free))
			w.onHost(1000).want("ok", "bind", "tcp", at(foreign, free))

			p.Permissions = 1
			w.setPolicy("EINVAL", p)
		}),
	},
	{
		Name: "policy/fields", Clause: "node policy: EINVAL", Does: "each field is checked, before the cell is looked up", OS: netbsd,
		Run: in(policyFields),
	},
	{
		Name: "policy/entered", Clause: "node policy: EBUSY", Does: "once a process has entered it is final but for the limit, though the process has ended", OS: netbsd,
		Run: in(func(w *world) {
			id, _ := w.rawCreate("ok", w.newCreate())
			w.setPolicy("ok", newPolicy(id))
			x := w.waiter(id)
			changed := newPolicy(id)
			changed.MaxProcesses, changed.Permissions = 3, 1
			w.setPolicy("EBUSY", changed)
			w.setPolicy("ok", newPolicy(id))
			x.end()
			w.setPolicy("EBUSY", changed)
			if got := w.rawPolicyOf(id); got != *newPolicy(id) {
				w.Errorf("policy is %+v; want the first", got)
			}
		}),
	},
	{
		Name: "policy/killed", Clause: "node policy: EBUSY", Does: "a cell that was killed takes none", OS: netbsd,
		Run: in(func(w *world) {
			id, _ := w.rawCreate("ok", w.newCreate())
			w.Must("kill cell", w.k.Kill(id, int(unix.SIGKILL)))
			w.setPolicy("EBUSY", newPolicy(id))
		}),
	},
	{
		Name: "policy/port-taken", Clause: "node policy: EEXIST", Does: "a port that another cell has is EEXIST, and nothing changes; its own is free", OS: netbsd,
		Run: in(func(w *world) {
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 9300}} }))
			id, _ := w.rawCreate("ok", w.newCreate())
			p := newPolicy(id)
			p.Permissions, p.NPorts, p.Ports[0], p.Ports[1] = 1, 2, policyPort(9301), policyPort(9300)
			before := w.rawPolicyOf(id)
			w.setPolicy("EEXIST", p)
			if got := w.rawPolicyOf(id); got != before {
				w.Errorf("policy is %+v after an error; want %+v", got, before)
			}
			p.Ports[1] = policyPort(9302)
			w.setPolicy("ok", p)
			w.setPolicy("ok", p)
		}),
	},
	{
		Name: "policy/effect", Clause: "node policy", Does: "permissions written by it open powers", OS: netbsd,
		Run: in(func(w *world) {
			id, _ := w.rawCreate("ok", w.newCreate())
			p := newPolicy(id)
			p.Permissions = uint64(policy.Set(0).With(policy.Chroot))
			w.setPolicy("ok", p)
			m := w.agent(id, entry{})
			m.want("ok", "chroot")
			m.want("EPERM", "mknod", "/dev/null")
			m.want("EPERM", "socket", "inet/stream")
			m.want("EPERM", "setid")
		}),
	},
}

// fullPolicy has everything set.
func fullPolicy(id kmod.ID) *wire.Policy {
	p := newPolicy(id)
	p.Network, p.Permissions, p.MaxProcesses = wire.NetworkAddresses, uint64(policy.All()), 1<<40
	p.NAddresses, p.NPorts = wire.AddressMax, wire.PortMax
	for i := range p.Addresses {
		p.Addresses[i] = policyAddress(192, 0, 2, uint8(i+1))
		p.Ports[i] = wire.Port{Port: 9400, Proto: wire.ProtoTCP, Family: wire.FamilyIP4, Addr: p.Addresses[i].Addr}
	}
	p.Addresses[3] = wire.Address{Family: wire.FamilyIP6, Addr: [16]uint8{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}}
	p.Ports[4] = wire.Port{Port: 9400, Proto: wire.ProtoUDP, Family: wire.FamilyAny}
	p.NDevices = wire.DeviceMax
	for i := range p.Devices {
		p.Devices[i] = wire.Device{Type: wire.DeviceCharacter, Major: 1<<32 - 1, Minor: uint32(i)}
	}
	return p
}

// policyFields tries one wrong field each, on a cell that is not there: the
// request is checked first.
func policyFields(w *world) {
	id, _ := w.rawCreate("ok", w.newCreate())
	mapped := wire.Address{Family: wire.FamilyIP6, Addr: [16]uint8{10: 0xff, 11: 0xff, 12: 127, 15: 1}}
	one := func(p *wire.Policy, a wire.Address) {
		p.Network, p.NAddresses, p.Addresses[0] = wire.NetworkAddresses, 1, a
	}
	port := func(p *wire.Policy, x wire.Port) { p.NPorts, p.Ports[0] = 1, x }
	for _, x := range []struct {
		name   string
		change func(*wire.Policy)
	}{
		{"network 3", func(p *wire.Policy) { p.Network = 3 }},
		{"permission 48", func(p *wire.Policy) { p.Permissions = 1 << 48 }},
		{"all permissions", func(p *wire.Policy) { p.Permissions = ^uint64(0) }},
		{"reserved field", func(p *wire.Policy) { p.Reserved = 1 }},
		{"33 addresses", func(p *wire.Policy) { one(p, policyAddress(127, 0, 0, 1)); p.NAddresses = 33 }},
		{"33 devices", func(p *wire.Policy) { p.NDevices, p.Devices[0].Type = 33, wire.DeviceBlock }},
		{"device of no type", func(p *wire.Policy) { p.NDevices = 1 }},
		{"device of type 3", func(p *wire.Policy) { p.NDevices, p.Devices[0].Type = 1, 3 }},
		{"device twice", func(p *wire.Policy) {
			p.NDevices, p.Devices[0].Type, p.Devices[1].Type = 2, wire.DeviceBlock, wire.DeviceBlock
		}},
		{"device beyond the count", func(p *wire.Policy) { p.Devices[0].Type = wire.DeviceBlock }},
		{"reserved of a device", func(p *wire.Policy) {
			p.NDevices, p.Devices[0] = 1, wire.Device{Type: wire.DeviceBlock, Reserved: [3]uint8{1}}
		}},
		{"33 ports", func(p *wire.Policy) { port(p, policyPort(1)); p.NPorts = 33 }},
		{"no address", func(p *wire.Policy) { p.Network = wire.NetworkAddresses }},
		{"addresses of the host", func(p *wire.Policy) { one(p, policyAddress(127, 0, 0, 1)); p.Network = wire.NetworkHost }},
		{"addresses of nobody", func(p *wire.Policy) { one(p, policyAddress(127, 0, 0, 1)); p.Network = wire.NetworkNone }},
		{"family 0", func(p *wire.Policy) { one(p, wire.Address{Addr: [16]uint8{127, 0, 0, 1}}) }},
		{"family 5", func(p *wire.Policy) { one(p, wire.Address{Family: 5, Addr: [16]uint8{127, 0, 0, 1}}) }},
		{"reserved bytes of an address", func(p *wire.Policy) { a := policyAddress(127, 0, 0, 1); a.Reserved[2] = 1; one(p, a) }},
		{"IPv4 address of 16 bytes", func(p *wire.Policy) { a := policyAddress(127, 0, 0, 1); a.Addr[15] = 1; one(p, a) }},
		{"IPv4 wildcard", func(p *wire.Policy) { one(p, policyAddress(0, 0, 0, 0)) }},
		{"IPv6 wildcard", func(p *wire.Policy) { one(p, wire.Address{Family: wire.FamilyIP6}) }},
		{"IPv4-mapped address", func(p *wire.Policy) { one(p, mapped) }},
		{"address twice", func(p *wire.Policy) {
			one(p, policyAddress(127, 0, 0, 1))
			p.NAddresses, p.Addresses[1] = 2, p.Addresses[0]
		}},
		{"address beyond the count", func(p *wire.Policy) { one(p, policyAddress(127, 0, 0, 1)); p.Addresses[9].Addr[0] = 1 }},
		{"address without a count", func(p *wire.Policy) { p.Addresses[0] = policyAddress(127, 0, 0, 1) }},
		{"port 0", func(p *wire.Policy) { port(p, policyPort(0)) }},
		{"protocol 1", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Proto: 1}) }},
		{"port of family 5", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Family: 5, Addr: [16]uint8{127}}) }},
		{"port with an address of no family", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Addr: [16]uint8{127}}) }},
		{"port on the IPv4 wildcard", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Family: wire.FamilyIP4}) }},
		{"port on the IPv6 wildcard", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Family: wire.FamilyIP6}) }},
		{"port on a mapped address", func(p *wire.Policy) { port(p, wire.Port{Port: 80, Family: wire.FamilyIP6, Addr: mapped.Addr}) }},
		{"port twice", func(p *wire.Policy) { port(p, policyPort(80)); p.NPorts, p.Ports[1] = 2, policyPort(80) }},
		{"port beyond the count", func(p *wire.Policy) { port(p, policyPort(80)); p.Ports[31] = policyPort(81) }},
		{"port without a count", func(p *wire.Policy) { p.Ports[0] = policyPort(81) }},
	} {
		for _, to := range []kmod.ID{1<<32 - 1, id} {
			p := newPolicy(to)
			x.change(p)
			if r := (&node.Call{Name: "policy", Request: pack(p)}).Do(); r.Errno != "EINVAL" {
				w.Errorf("%s, cell %d: policy = %s; want EINVAL", x.name, to, r.Result())
			}
		}
	}
	if got := w.rawPolicyOf(id); policy.Set(got.Permissions) != policy.Defaults(policy.High) {
		w.Errorf("policy is %+v after errors; want the default", got)
	}
}
