package host

// What is written to create and policy: the core against the rules of
// kmod/wire, written down a second time.

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

var (
	goodName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	goodRoot = regexp.MustCompile(`^/[^\x00-\x1f\x7f]*$`)
)

// text is what stands before the NUL.
func text(b []byte) (string, bool) {
	before, _, ok := bytes.Cut(b, []byte{0})
	return string(before), ok
}

func goodCreate(c *wire.Create) bool {
	given := func(flag uint32, v uint64) bool { return c.Flags&flag != 0 || v == 0 }
	if c.Flags >= 2*wire.CreateRlimitCore || !given(wire.CreateRlimitNofile, c.RlimitNofile) ||
		!given(wire.CreateRlimitAS, c.RlimitAS) || !given(wire.CreateRlimitCore, c.RlimitCore) {
		return false
	}
	if c.Flags&wire.CreateProfile != 0 && c.Profile > uint32(policy.High) {
		return false
	}
	if (c.Flags&wire.CreatePorts != 0) != (c.NPorts != 0) || c.NPorts > wire.PortMax {
		return false
	}
	seen := map[uint16]bool{0: true}
	for _, p := range c.Ports[:c.NPorts] {
		if seen[p] {
			return false
		}
		seen[p] = true
	}
	name, ended := text(c.Name[:])
	if !ended || !goodName.MatchString(name) {
		return false
	}
	root, ended := text(c.Root[:])
	return ended && goodRoot.Match([]byte(root))
}

// address is one of the wire's; what is no good address is not valid.
func address(family uint8, b [16]byte) netip.Addr {
	a := netip.AddrFrom16(b)
	if family == wire.FamilyIP4 {
		a = netip.AddrFrom4([4]byte(b[:4]))
		if [12]byte(b[4:]) != [12]byte{} {
			return netip.Addr{}
		}
	} else if family != wire.FamilyIP6 || a.Is4In6() {
		return netip.Addr{}
	}
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func goodPolicy(p *wire.Policy) bool {
	if p.Network > wire.NetworkNone || p.Permissions&^uint64(policy.All()) != 0 || p.Reserved != 0 {
		return false
	}
	if p.NAddresses > wire.AddressMax || p.NPorts > wire.PortMax ||
		(p.Network == wire.NetworkAddresses) != (p.NAddresses > 0) {
		return false
	}
	if p.ID == 0 && (p.Network == wire.NetworkNone || p.Permissions != 0 || p.MaxProcesses != 0 || p.NDevices != 0) {
		return false
	}
	devices := map[wire.Device]bool{}
	for i, d := range p.Devices {
		switch {
		case i >= int(p.NDevices):
			if d != (wire.Device{}) {
				return false
			}
		case d.Type == 0 || d.Type > wire.DeviceBlock || d.Reserved != [3]uint8{} || devices[d]:
			return false
		}
		devices[d] = true
	}
	if p.NDevices > wire.DeviceMax {
		return false
	}
	addresses := map[wire.Address]bool{}
	for i, a := range p.Addresses {
		switch {
		case i >= int(p.NAddresses):
			if a != (wire.Address{}) {
				return false
			}
		case a.Reserved != [3]uint8{} || !address(a.Family, a.Addr).IsValid() || addresses[a]:
			return false
		}
		addresses[a] = true
	}
	ports := map[wire.Port]bool{}
	for i, q := range p.Ports {
		switch {
		case i >= int(p.NPorts):
			if q != (wire.Port{}) {
				return false
			}
		case !goodPort(q) || ports[q]:
			return false
		}
		ports[q] = true
	}
	return true
}

func goodPort(p wire.Port) bool {
	if p.Port == 0 || p.Proto != wire.ProtoAny && p.Proto != wire.ProtoTCP && p.Proto != wire.ProtoUDP {
		return false
	}
	if p.Family == wire.FamilyAny {
		return p.Addr == [16]uint8{}
	}
	return address(p.Family, p.Addr).IsValid()
}

func errno(good bool) uint64 {
	if good {
		return 0
	}
	return uint64(syscall.EINVAL)
}

// Requests as they should be, and examples of what is wrong with them.
func sampleCreate() *wire.Create {
	c := &wire.Create{Flags: 0x1f, ID: 9, Profile: 1, NPorts: 2, RlimitNofile: 64, RlimitAS: ^uint64(0), RlimitCore: 1}
	c.Ports = [32]uint16{80, 443}
	copy(c.Name[:], "web-1.example_A")
	copy(c.Root[:], "/var/cells/wéb 1")
	return c
}

func samplePolicy() *wire.Policy {
	p := &wire.Policy{
		ID: 3, Network: wire.NetworkAddresses, Permissions: uint64(policy.Defaults(policy.High)), MaxProcesses: 64,
		NAddresses: 2, NPorts: 3,
	}
	p.Addresses[0] = wire.Address{Family: 4, Addr: [16]uint8{192, 0, 2, 1}}
	p.Addresses[1] = wire.Address{Family: 6, Addr: [16]uint8{0x20, 1, 0xd, 0xb8, 15: 1}}
	p.Ports[0] = wire.Port{Port: 80, Proto: wire.ProtoTCP, Family: 4, Addr: p.Addresses[0].Addr}
	p.Ports[1] = wire.Port{Port: 53, Family: 6, Addr: p.Addresses[1].Addr}
	p.Ports[2] = wire.Port{Port: 53, Proto: wire.ProtoUDP}
	p.NDevices = 2
	p.Devices[0] = wire.Device{Type: wire.DeviceCharacter, Major: 7}
	p.Devices[1] = wire.Device{Type: wire.DeviceBlock, Major: 1<<32 - 1, Minor: 1<<32 - 1}
	return p
}

// edit is a change that may or may not break a request.
type edit[T any] struct {
	name string
	do   func(*T)
}

// manyPorts and most fill what there is room for.
func manyPorts(c *wire.Create) {
	c.NPorts = 32
	for i := range c.Ports {
		c.Ports[i] = uint16(1000 + i)
	}
}

func most(p *wire.Policy) {
	p.NAddresses, p.NPorts = 32, 32
	for i := range 32 {
		p.Addresses[i] = wire.Address{Family: 4, Addr: [16]uint8{10, 0, 0, uint8(i)}}
		p.Ports[i] = wire.Port{Port: uint16(i + 1)}
	}
}

func mostDevices(p *wire.Policy) {
	p.NDevices = 32
	for i := range p.Devices {
		p.Devices[i] = wire.Device{Type: wire.DeviceCharacter, Minor: uint32(i)}
	}
}

// asHost makes it what the host reserves.
func asHost(p *wire.Policy) {
	p.ID, p.Permissions, p.MaxProcesses = 0, 0, 0
	p.NDevices, p.Devices = 0, [32]wire.Device{}
}

var createEdits = []edit[wire.Create]{
	{"no change", func(*wire.Create) {}},
	{"unknown flag", func(c *wire.Create) { c.Flags |= 0x20 }},
	{"no flag at all", func(c *wire.Create) { c.Flags = 0 }},
	{"rlimit without flag", func(c *wire.Create) { c.Flags &^= wire.CreateRlimitNofile }},
	{"address space without flag", func(c *wire.Create) { c.Flags &^= wire.CreateRlimitAS }},
	{"core without flag", func(c *wire.Create) { c.Flags &^= wire.CreateRlimitCore }},
	{"rlimits of 0", func(c *wire.Create) { c.RlimitNofile, c.RlimitAS, c.RlimitCore = 0, 0, 0 }},
	{"unknown profile", func(c *wire.Create) { c.Profile = 3 }},
	{"unknown profile without flag", func(c *wire.Create) { c.Profile = 7; c.Flags &^= wire.CreateProfile }},
	{"flag without ports", func(c *wire.Create) { c.NPorts = 0 }},
	{"ports without flag", func(c *wire.Create) { c.Flags &^= wire.CreatePorts }},
	{"no ports, no flag", func(c *wire.Create) { c.Flags &^= wire.CreatePorts; c.NPorts = 0 }},
	{"too many ports", func(c *wire.Create) { manyPorts(c); c.NPorts, c.Pad = 33, 9 }},
	{"32 ports", manyPorts},
	{"port 0", func(c *wire.Create) { c.Ports[1] = 0 }},
	{"port twice", func(c *wire.Create) { c.Ports[1] = c.Ports[0] }},
	{"port beyond the count", func(c *wire.Create) { c.Ports[9] = 80 }},
	{"padding", func(c *wire.Create) { c.Pad = 1 }},
	{"empty name", func(c *wire.Create) { c.Name[0] = 0 }},
	{"slash in name", func(c *wire.Create) { c.Name[2] = '/' }},
	{"high bit in name", func(c *wire.Create) { c.Name[2] = 0xe9 }},
	{"longest name", func(c *wire.Create) { copy(c.Name[:], bytes.Repeat([]byte("n"), 63)) }},
	{"endless name", func(c *wire.Create) { copy(c.Name[:], bytes.Repeat([]byte("n"), 64)) }},
	{"bytes after the name", func(c *wire.Create) { c.Name[40] = '/' }},
	{"empty root", func(c *wire.Create) { c.Root[0] = 0 }},
	{"relative root", func(c *wire.Create) { c.Root[0] = 'a' }},
	{"the root", func(c *wire.Create) { c.Root = [256]byte{'/'} }},
	{"newline in root", func(c *wire.Create) { c.Root[4] = '\n' }},
	{"DEL in root", func(c *wire.Create) { c.Root[4] = 0x7f }},
	{"longest root", func(c *wire.Create) { copy(c.Root[:], bytes.Repeat([]byte("/"), 255)) }},
	{"endless root", func(c *wire.Create) { copy(c.Root[:], bytes.Repeat([]byte("/"), 256)) }},
}

var policyEdits = []edit[wire.Policy]{
	{"no change", func(*wire.Policy) {}},
	{"unknown network", func(p *wire.Policy) { p.Network = 3 }},
	{"addresses and the host's network", func(p *wire.Policy) { p.Network = wire.NetworkHost }},
	{"addresses and no network", func(p *wire.Policy) { p.Network = wire.NetworkNone }},
	{"no addresses", func(p *wire.Policy) { p.NAddresses = 0; p.Addresses = [32]wire.Address{} }},
	{"no addresses, host", func(p *wire.Policy) { p.NAddresses, p.Network = 0, 0; p.Addresses = [32]wire.Address{} }},
	{"unknown permission", func(p *wire.Policy) { p.Permissions |= 1 << len(policy.Permissions) }},
	{"every permission", func(p *wire.Policy) { p.Permissions = uint64(policy.All()) }},
	{"reserved", func(p *wire.Policy) { p.Reserved = 1 }},
	{"too many addresses", func(p *wire.Policy) { most(p); p.NAddresses = 33 }},
	{"too many ports", func(p *wire.Policy) { most(p); p.NPorts = 33 }},
	{"most of both", most},
	{"address beyond the count", func(p *wire.Policy) { p.Addresses[2].Addr[3] = 1 }},
	{"port beyond the count", func(p *wire.Policy) { p.Ports[31].Addr[15] = 1 }},
	{"address twice", func(p *wire.Policy) { p.Addresses[1] = p.Addresses[0] }},
	{"port twice", func(p *wire.Policy) { p.Ports[2] = p.Ports[1] }},
	{"one port of both protocols", func(p *wire.Policy) { p.Ports[2] = p.Ports[0]; p.Ports[2].Proto = wire.ProtoUDP }},
	{"family any", func(p *wire.Policy) { p.Addresses[0] = wire.Address{} }},
	{"unknown family", func(p *wire.Policy) { p.Addresses[0].Family = 2 }},
	{"unknown family of a port", func(p *wire.Policy) { p.Ports[0].Family = 24 }},
	{"reserved of an address", func(p *wire.Policy) { p.Addresses[1].Reserved[2] = 1 }},
	{"0.0.0.0", func(p *wire.Policy) { p.Addresses[0].Addr = [16]uint8{} }},
	{"::", func(p *wire.Policy) { p.Addresses[1].Addr = [16]uint8{} }},
	{":: of a port", func(p *wire.Policy) { p.Ports[1].Addr = [16]uint8{} }},
	{"IPv4-mapped", func(p *wire.Policy) { p.Addresses[1].Addr = [16]uint8{10: 0xff, 11: 0xff, 12: 10, 15: 1} }},
	{"IPv4 with a tail", func(p *wire.Policy) { p.Addresses[0].Addr[4] = 1 }},
	{"port 0", func(p *wire.Policy) { p.Ports[0].Port = 0 }},
	{"unknown protocol", func(p *wire.Policy) { p.Ports[0].Proto = 1 }},
	{"any address with one", func(p *wire.Policy) { p.Ports[2].Addr[0] = 10 }},
	{"port on an address that is not the cell's", func(p *wire.Policy) { p.Ports[0].Addr[3] = 77 }},
	{"too many devices", func(p *wire.Policy) { mostDevices(p); p.NDevices = 33 }},
	{"most devices", mostDevices},
	{"device beyond the count", func(p *wire.Policy) { p.Devices[2].Minor = 1 }},
	{"device twice", func(p *wire.Policy) { p.Devices[1] = p.Devices[0] }},
	{"one number of both types", func(p *wire.Policy) { p.Devices[1] = p.Devices[0]; p.Devices[1].Type = wire.DeviceBlock }},
	{"device of no type", func(p *wire.Policy) { p.Devices[0].Type = 0 }},
	{"device of a third type", func(p *wire.Policy) { p.Devices[0].Type = 3 }},
	{"reserved of a device", func(p *wire.Policy) { p.Devices[1].Reserved[1] = 1 }},
	{"no devices", func(p *wire.Policy) { p.NDevices, p.Devices = 0, [32]wire.Device{} }},
	{"the host's, with devices", func(p *wire.Policy) { asHost(p); mostDevices(p) }},
	{"the host's, with permissions", func(p *wire.Policy) { asHost(p); p.Permissions = 1 }},
	{"the host's, with a limit", func(p *wire.Policy) { asHost(p); p.MaxProcesses = 1 }},
	{"the host's", asHost},
	{"the host's, without a network", func(p *wire.Policy) { *p = wire.Policy{Network: wire.NetworkNone} }},
	{"the host's, nothing reserved", func(p *wire.Policy) { *p = wire.Policy{} }},
}

// Each edit by itself, then some of them together with a random byte.
func testCheck[T wire.Create | wire.Policy](t *testing.T, op uint32, sample func() *T, good func(*T) bool, edits []edit[T]) {
	c := startCore(t)
	for _, e := range edits {
		v := sample()
		e.do(v)
		if got, want := c.ask(t, question{op: op, more: bytesOf(t, v)})[0].Value, errno(good(v)); got != want {
			t.Errorf("%s: errno %d; want %d", e.name, got, want)
		}
	}
	rng := rand.New(rand.NewPCG(20, uint64(op)))
	counts := map[uint64]int{}
	for range 4000 {
		v := sample()
		edits[rng.IntN(len(edits))].do(v)
		b := bytesOf(t, v)
		if rng.IntN(2) == 0 {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		v = fromBytes[T](t, b)
		got, want := c.ask(t, question{op: op, more: b})[0].Value, errno(good(v))
		if got != want {
			t.Fatalf("errno %d; want %d: %+v", got, want, v)
		}
		counts[got]++
	}
	if len(counts) != 2 {
		t.Errorf("only one answer: %v", counts)
	}
	t.Logf("by errno: %v", counts)
}

func TestCreate(t *testing.T) { testCheck(t, opCreate, sampleCreate, goodCreate, createEdits) }
func TestPolicy(t *testing.T) { testCheck(t, opPolicy, samplePolicy, goodPolicy, policyEdits) }

func FuzzCreate(f *testing.F) { fuzzCheck(f, opCreate, sampleCreate, goodCreate, createEdits) }
func FuzzPolicy(f *testing.F) { fuzzCheck(f, opPolicy, samplePolicy, goodPolicy, policyEdits) }

func fuzzCheck[T wire.Create | wire.Policy](f *testing.F, op uint32, sample func() *T, good func(*T) bool, edits []edit[T]) {
	for _, e := range edits {
		v := sample()
		e.do(v)
		f.Add(bytesOf(f, v))
	}
	c := startCore(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := fromBytes[T](t, b)
		if got, want := c.ask(t, question{op: op, more: bytesOf(t, v)})[0].Value, errno(good(v)); got != want {
			t.Errorf("errno %d; want %d: %+v", got, want, v)
		}
	})
}
