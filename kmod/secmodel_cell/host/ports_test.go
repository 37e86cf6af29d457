package host

// Binds and reserved ports: the core against a list that is searched from
// end to end.

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/wire"
)

// bind is what a process asks for. The zero Addr is given as no address.
type bind struct {
	addr  netip.Addr
	proto uint8
	port  uint16
}

// ask makes a question that begins with a cell_sock.
func (b bind) ask(op uint32, q question) question {
	q.op, q.a, q.b, q.c = op, wire.FamilyIP6, uint32(b.proto), uint32(b.port)
	var addr [16]byte
	copy(addr[:], b.addr.AsSlice())
	switch {
	case !b.addr.IsValid():
		q.e = 1
	case b.addr.Is4():
		q.a = wire.FamilyIP4
	}
	q.more = slices.Concat(addr[:], q.more)
	return q
}

// one is the address asked for; not valid if it is every one.
func (b bind) one() netip.Addr {
	if a := b.addr.Unmap(); a.IsValid() && !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}

// form is the address in the wire's form.
func form(a netip.Addr) (family uint8, b [16]byte) {
	switch {
	case !a.IsValid():
		return wire.FamilyAny, b
	case a.Is4():
		copy(b[:], a.AsSlice())
		return wire.FamilyIP4, b
	}
	return wire.FamilyIP6, a.As16()
}

func reservation(port uint16, proto uint8, a netip.Addr) wire.Port {
	family, b := form(a)
	return wire.Port{Port: port, Proto: proto, Family: family, Addr: b}
}

// model is the reserved ports, in no order.
type model map[uint32]batch

// batch is what was reserved in one go.
type batch struct {
	owner uint32
	ports []wire.Port
}

func sameOrAny[T comparable](a, b, anything T) bool { return a == b || a == anything || b == anything }

func overlap(a, b wire.Port) bool {
	return a.Port == b.Port && sameOrAny(a.Proto, b.Proto, wire.ProtoAny) &&
		sameOrAny(address(a.Family, a.Addr), address(b.Family, b.Addr), netip.Addr{})
}

// taken tells whether another owner's reservation overlaps.
func (m model) taken(p wire.Port, self uint32) bool {
	for _, b := range m {
		if b.owner == self {
			continue
		}
		for _, q := range b.ports {
			if overlap(p, q) {
				return true
			}
		}
	}
	return false
}

func (m model) marked(port uint16) bool {
	for _, b := range m {
		for _, q := range b.ports {
			if q.Port == port {
				return true
			}
		}
	}
	return false
}

// A pair is a question to the core and the answer of the model.
type pair struct {
	q    question
	want uint64
}

func (m model) reserve(t testing.TB, set uint32, b batch) pair {
	p := pair{q: question{op: opReserve, a: set, b: b.owner, c: uint32(len(b.ports)), more: bytesOf(t, b.ports)}}
	for _, q := range b.ports {
		if m.taken(q, b.owner) {
			p.want = uint64(syscall.EEXIST)
			return p
		}
	}
	m[set] = b
	return p
}

func (m model) release(set uint32) pair {
	delete(m, set)
	return pair{q: question{op: opRelease, a: set}}
}

func (m model) bind(b bind, self uint32) pair {
	proto := b.proto
	if proto != wire.ProtoTCP && proto != wire.ProtoUDP {
		proto = wire.ProtoAny
	}
	p := pair{q: b.ask(opTaken, question{d: uint64(self)})}
	if m.taken(reservation(b.port, proto, b.one()), self) {
		p.want |= 6
	}
	if m.marked(b.port) {
		p.want |= 1
	}
	return p
}

// check asks all questions, and then that nothing is left behind.
func check(t testing.TB, c *core, pairs []pair) {
	t.Helper()
	pairs = append(pairs, pair{q: question{op: opReset}})
	questions := make([]question, len(pairs))
	for i := range pairs {
		questions[i] = pairs[i].q
	}
	for i, got := range c.ask(t, questions...) {
		if got.Value != pairs[i].want {
			t.Fatalf("step %d of %d = %d; want %d: %+v", i, len(pairs), got.Value, pairs[i].want, pairs[i].q)
		}
	}
}

// Addresses and protocols to choose from. Only the first few can be reserved.
var (
	reservable = []netip.Addr{
		{},
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"),
		netip.MustParseAddr("c000:201::"), // the bytes of 192.0.2.1
	}
	bindable = append([]netip.Addr{
		netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::"), netip.MustParseAddr("::ffff:0.0.0.0"),
		netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("203.0.113.7"),
	}, reservable...)
	reservableProtos = []uint8{wire.ProtoAny, wire.ProtoTCP, wire.ProtoUDP}
	bindableProtos   = []uint8{wire.ProtoAny, wire.ProtoTCP, wire.ProtoUDP, 132}
)

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// Few ports, so that owners meet: everything about overlaps.
func TestPortsOfFew(t *testing.T) {
	c := startCore(t)
	refused, taken := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := model{}
		var pairs []pair
		used := map[uint32]bool{}
		for range 400 {
			set, owner := uint32(rng.IntN(16)), uint32(rng.IntN(6))
			switch {
			case rng.IntN(2) == 0:
				p := m.bind(bind{pick(rng, bindable), pick(rng, bindableProtos), uint16(rng.IntN(5))}, uint32(rng.IntN(6)))
				taken += int(p.want >> 2)
				pairs = append(pairs, p)
			case used[set]:
				used[set] = false
				pairs = append(pairs, m.release(set))
			default:
				used[set] = true
				b := batch{owner: owner}
				for range 1 + rng.IntN(3) {
					b.ports = append(b.ports, reservation(uint16(1+rng.IntN(4)), pick(rng, reservableProtos), pick(rng, reservable)))
				}
				p := m.reserve(t, set, b)
				if p.want != 0 {
					refused++
				}
				pairs = append(pairs, p)
			}
		}
		check(t, c, pairs)
	}
	if refused < 100 || taken < 100 {
		t.Errorf("%d reservations refused, %d binds: too few to mean anything", refused, taken)
	}
	t.Logf("%d reservations refused, %d binds", refused, taken)
}

// 1,000 owners of 8 ports each: all of them on one port, and on many.
func TestPortsOfThousand(t *testing.T) {
	c := startCore(t)
	rng := rand.New(rand.NewPCG(3, 4))
	m := model{}
	var pairs []pair
	own := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	for i := range 1000 {
		b := batch{owner: uint32(i + 1)}
		b.ports = append(b.ports, reservation(80, wire.ProtoTCP, own(i)), reservation(53, wire.ProtoAny, own(i)))
		for len(b.ports) < 8 {
			a := own(i)
			if rng.IntN(8) == 0 {
				a = netip.Addr{}
			}
			b.ports = append(b.ports, reservation(uint16(1+rng.IntN(65535)), pick(rng, reservableProtos), a))
		}
		pairs = append(pairs, m.reserve(t, uint32(i), b))
	}
	for range 1500 {
		self := rng.IntN(1001)
		b := bind{own(rng.IntN(1000)), pick(rng, bindableProtos), uint16(rng.IntN(65536))}
		if rng.IntN(2) == 0 {
			b.addr = own(self)
		}
		if rng.IntN(4) == 0 {
			b.addr = pick(rng, bindable)
		}
		if rng.IntN(2) == 0 {
			b.port = pick(rng, []uint16{53, 80, 443})
		}
		pairs = append(pairs, m.bind(b, uint32(self)))
		if rng.IntN(10) == 0 { // somebody goes, and comes back
			set := uint32(rng.IntN(1000))
			old, there := m[set]
			if pairs = append(pairs, m.release(set)); there {
				pairs = append(pairs, m.reserve(t, set, old))
			} else {
				pairs = append(pairs, m.reserve(t, set, batch{owner: set + 1, ports: []wire.Port{reservation(80, wire.ProtoTCP, own(int(set)))}}))
			}
		}
	}
	check(t, c, pairs)
	t.Logf("%d steps, %d of 1,000 owners hold reservations in the end", len(pairs), len(m))
}

// FuzzPorts reads each four bytes as a step.
func FuzzPorts(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 2, 2, 0, 1, 1, 1, 0, 0})
	f.Add([]byte{0, 0x11, 1, 0x12, 0, 0x22, 1, 0x12, 2, 0x10, 1, 0x32, 1, 0, 0, 0, 2, 0x10, 1, 0x32})
	c := startCore(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := model{}
		used := map[uint32]bool{}
		var pairs []pair
		for ; len(steps) >= 4 && len(pairs) < 500; steps = steps[4:] {
			who, port, kind := steps[1], uint16(steps[2]), steps[3]
			set, owner := uint32(who&15), uint32(who>>4)
			switch {
			case steps[0]%3 == 2:
				b := bind{bindable[int(kind>>4)%len(bindable)], bindableProtos[kind&3], port}
				pairs = append(pairs, m.bind(b, owner))
			case used[set]:
				used[set] = false
				pairs = append(pairs, m.release(set))
			default:
				used[set] = true
				b := batch{owner: owner}
				for i := range 1 + uint16(steps[0]>>6) {
					b.ports = append(b.ports, reservation(port+i|1, reservableProtos[int(kind&3)%3], reservable[int(kind>>4)%len(reservable)]))
				}
				pairs = append(pairs, m.reserve(t, set, b))
			}
		}
		check(t, c, pairs)
	})
}

// The one form of an address.
func TestSock(t *testing.T) {
	c := startCore(t)
	for _, a := range bindable {
		for proto := range uint8(255) {
			b := bind{a, proto, 0x1234}
			got := c.ask(t, b.ask(opSock, question{}))[0]
			want := answer{Port: 0x1234, Family: wire.FamilyIP6}
			if a.IsValid() {
				want.Family, want.Addr = form(a.Unmap())
			}
			if proto == wire.ProtoTCP || proto == wire.ProtoUDP {
				want.Proto = proto
			}
			if !b.one().IsValid() {
				want.Value = 1
			}
			if got != want {
				t.Errorf("cell_sock_set(%s, %d) = %+v; want %+v", a, proto, got, want)
			}
		}
	}
}

// Sockets of one port: they share packets if an address of both is one.
func TestOverlap(t *testing.T) {
	c := startCore(t)
	takes := func(b bind, only6 bool, a netip.Addr) bool {
		if one := b.one(); one.IsValid() {
			return one == a
		}
		six := !b.addr.IsValid() || b.addr.Is6() && !b.addr.Is4In6()
		return six == a.Is6() || six && !only6
	}
	for _, a := range bindable {
		for _, b := range bindable {
			for bits := range uint64(8) {
				x, y := bind{a, wire.ProtoTCP, 80}, bind{b, wire.ProtoTCP, 80 + uint16(bits>>2)}
				want := uint64(0)
				for _, one := range append([]netip.Addr{netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("2001:db8::9")}, bindable...) {
					one = one.Unmap()
					if one.IsValid() && !one.IsUnspecified() && x.port == y.port && takes(x, bits&1 != 0, one) && takes(y, bits&2 != 0, one) {
						want = 1
					}
				}
				other := y.ask(opSock, question{})
				second := slices.Concat(bytesOf(t, []uint32{other.op, other.a, other.b, other.c}), bytesOf(t, []uint64{other.d, other.e}), other.more)
				if got := c.ask(t, x.ask(opOverlap, question{d: bits, more: second}))[0].Value; got != want {
					t.Errorf("cell_sock_overlaps(%v, %v), only6 %b = %d; want %d", x, y, bits&3, got, want)
				}
			}
		}
	}
}

func TestBindFacts(t *testing.T) {
	c := startCore(t)
	names := defines(t, "cell_table.h")
	for network := range uint32(3) {
		for n := range len(reservable) {
			p := wire.Policy{Network: network}
			own := map[netip.Addr]bool{}
			if network == wire.NetworkAddresses {
				for i, a := range reservable[1:][:n] {
					p.Addresses[i].Family, p.Addresses[i].Addr = form(a)
					own[a] = true
				}
				p.NAddresses = uint16(n)
			}
			for _, a := range bindable {
				b := bind{a, wire.ProtoTCP, 80}
				want := uint64(0)
				switch {
				case network != wire.NetworkAddresses:
				case !b.one().IsValid():
					want = names["CELL_IF_WILDCARD_ADDRESS"]
				case !own[b.one()]:
					want = names["CELL_IF_FOREIGN_ADDRESS"]
				}
				if got := c.ask(t, b.ask(opBind, question{more: bytesOf(t, p)}))[0].Value; got != want {
					t.Errorf("network %d with %d addresses, bind to %s = %#x; want %#x", network, n, a, got, want)
				}
			}
		}
	}
}
