package kmod

// Sockets: reserved ports, own addresses, no network.

import (
	"net/netip"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// The addresses of the cases. The second IPv4 one is added where it is missing.
var (
	own      = loopback
	foreign  = loopback.Next()
	own6     = netip.IPv6Loopback()
	wildcard = netip.IPv4Unspecified()
	any6     = netip.IPv6Unspecified()
)

var binds = []harness.Case{
	{
		Name: "bind/other-cell", Clause: "class network.bind.port.reserved", Does: "a port that another cell has reserved is EACCES, for tcp and udp, also on the wildcard",
		Run: in(func(w *world) { reservedPort(w, own, wildcard) }),
	},
	{
		Name: "bind/other-cell-ip6", Clause: "class network.bind.port.reserved", Does: "the same holds of IPv6",
		Run: in(func(w *world) { w.needsIP6(); reservedPort(w, own6, any6) }),
	},
	{
		Name: "bind/other-cell-low", Clause: "class network.bind.port.reserved", Does: "at profile low, too",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			w.agent(w.cell(w.spec(policy.Low)), entry{}).want("EACCES", "bind", "tcp", at(own, port))
		}),
	},
	{
		Name: "bind/privileged-reserved", Clause: "class network.bind.privport.reserved", Does: "and of ports below 1024",
		Run: in(func(w *world) {
			w.needs(ports)
			const port = 871
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, proto := range []string{"tcp", "udp"} {
				m.want("EACCES", "bind", proto, at(own, port))
			}
		}),
	},
	{
		Name: "bind/owner", Clause: "class network.bind.port", Does: "the cell that has reserved it binds it, as any of its users",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			id := w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			for _, uid := range []int{0, 1000} {
				m := w.agent(id, entry{uid: uid})
				for _, a := range []netip.Addr{own, wildcard} {
					m.want("ok", "bind", "tcp", at(a, port))
					m.want("ok", "bind", "udp", at(a, port))
				}
			}
		}),
	},
	{
		Name: "bind/other-port", Clause: "class network.bind.port", Does: "a port that nobody has reserved is free to all",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, free := range []uint16{w.freePort(), 0} {
				m.want("ok", "bind", "tcp", at(own, free))
				m.want("ok", "bind", "udp", at(wildcard, free))
			}
		}),
	},
	{
		Name: "bind/destroyed", Clause: "node destroy", Does: "a destroyed cell's port is free again",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			owner := w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			m := w.agent(w.cell(w.high(nil)), entry{})
			m.want("EACCES", "bind", "tcp", at(own, port))
			w.destroy(owner)
			m.want("ok", "bind", "tcp", at(own, port))
		}),
	},
	{
		Name: "bind/host-root", Clause: "policy: host root", Does: "root on the host binds reserved ports",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			w.onHost(0).want("ok", "bind", "tcp", at(own, port))
		}),
	},
	{
		Name: "bind/host-user", Clause: "class network.bind.port.reserved", Does: "another user of the host can't",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			host := w.onHost(1000)
			host.want("EACCES", "bind", "tcp", at(own, port))
			host.want("EACCES", "bind", "udp", at(wildcard, port))
			host.want("ok", "bind", "tcp", at(own, w.freePort()))
		}),
	},
	{
		Name: "bind/by-protocol", Clause: "node policy: cp_proto", Does: "a port reserved for tcp is free for udp, and the reverse",
		Run: in(func(w *world) {
			w.needs(portAddress)
			tcp, udp := w.freePort(), w.freePort()
			w.cell(w.high(func(s *kmod.Spec) {
				s.Ports = []kmod.Port{{Port: tcp, Proto: "tcp"}, {Port: udp, Proto: "udp"}}
			}))
			m := w.agent(w.cell(w.high(nil)), entry{})
			m.want("EACCES", "bind", "tcp", at(own, tcp))
			m.want("ok", "bind", "udp", at(own, tcp))
			m.want("ok", "bind", "tcp", at(own, udp))
			m.want("EACCES", "bind", "udp", at(own, udp))
		}),
	},
	{
		Name: "bind/by-address", Clause: "node policy: cp_addr", Does: "a port reserved on an address is free on others, and taken on the wildcard",
		Run: in(func(w *world) {
			w.needs(portAddress)
			w.withAddress(foreign)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port, Addr: own}} }))
			m := w.agent(w.cell(w.high(nil)), entry{})
			m.want("EACCES", "bind", "tcp", at(own, port))
			m.want("EACCES", "bind", "udp", at(wildcard, port))
			m.want("ok", "bind", "tcp", at(foreign, port))
			m.want("ok", "bind", "udp", at(foreign, port))
		}),
	},
	{
		Name: "bind/shared-port", Clause: "node policy: cp_addr", Does: "two cells have the same port on two addresses",
		Run: in(func(w *world) {
			w.needs(portAddress)
			w.withAddress(foreign)
			port := w.freePort()
			var members []*member
			for _, a := range []netip.Addr{own, foreign} {
				members = append(members, w.agent(w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port, Addr: a}} })), entry{}))
			}
			for i, m := range members {
				mine, theirs := own, foreign
				if i == 1 {
					mine, theirs = foreign, own
				}
				m.want("ok", "listen", "tcp", at(mine, port))
				m.want("EACCES", "bind", "tcp", at(theirs, port))
				m.want("EACCES", "bind", "udp", at(wildcard, port))
			}
		}),
	},
	{
		Name: "bind/beside-host", Clause: "class network.bind.taken", Does: "SO_REUSEADDR and SO_REUSEPORT get a cell nothing that a socket of the host waits for",
		Run: in(func(w *world) { beside(w, w.onHost(0)) }),
	},
	{
		Name: "bind/beside-cell", Clause: "class network.bind.taken", Does: "nor one of another cell",
		Run: in(func(w *world) { beside(w, w.agent(w.cell(w.high(nil)), entry{})) }),
	},
	{
		Name: "bind/beside-own", Clause: "class network.bind", Does: "beside its own socket a cell binds as NetBSD has it", OS: netbsd,
		Run: in(func(w *world) {
			m := w.agent(w.cell(w.high(nil)), entry{})
			port := uint16(m.must("listen", "tcp", at(wildcard, 0)).Size)
			m.want("ok", "beside", "tcp", at(own, port))
		}),
	},
	{
		Name: "bind/after-any", Clause: "class network.bind.port", Does: "after binds to port 0 a free port is free, whichever way round its bytes are",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			for port>>8 == port&0xff || port&0xff == 0 {
				port = w.freePort()
			}
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			m := w.agent(w.cell(w.high(nil)), entry{})
			for range 50 {
				m.want("ok", "bind", "tcp", at(own, 0))
				m.want("ok", "bind", "tcp", at(own, port<<8|port>>8))
			}
		}),
	},
	{
		Name: "bind/any-address", Clause: "class network.bind.anyaddr", Does: "no cell binds to an address that the host does not have", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for _, uid := range []int{0, 1000} {
				if r := w.agent(id, entry{uid: uid}).try("bindany"); r.Errno == "" {
					w.Errorf("user %d of a cell binds to it", uid)
				}
			}
		}),
	},
	{
		Name: "bind/faith", Clause: "class network.bind.anyaddr", Does: "nor with IPV6_FAITH, which nobody is asked about", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for _, uid := range []int{0, 1000} {
				w.agent(id, entry{uid: uid}).want("EACCES", "bindfaith")
			}
		}),
	},
	{
		Name: "bind/listed", Clause: "class network.socket.cansee.other_cell", Does: "a cell's list of sockets has its own, and nobody else's", OS: netbsd,
		Run: in(func(w *world) {
			w.onHost(0).must("listen", "tcp", at(own, 0))
			w.agent(w.cell(w.high(nil)), entry{}).must("listen", "tcp", at(own, 0))
			m := w.agent(w.cell(w.high(nil)), entry{})
			for want := range 2 {
				if got := m.must("sockets").Size; got != want {
					w.Errorf("a cell with %d sockets sees %d", want, got)
				}
				m.must("listen", "tcp", at(own, 0))
			}
		}),
	},
	{
		Name: "bind/connected", Clause: "class network.bind.port.reserved", Does: "a reserved port is no obstacle to connecting to it",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			owner := w.agent(w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} })), entry{})
			owner.must("listen", "tcp", at(own, port))
			w.agent(w.cell(w.high(nil)), entry{}).want("ok", "connect", "tcp", at(own, port))
			w.onHost(1000).want("ok", "connect", "tcp", at(own, port))
		}),
	},
}

// beside checks that nobody else gets what a socket on every address gets.
func beside(w *world, m *member) {
	port := uint16(m.must("listen", "tcp", at(wildcard, 0)).Size)
	id := w.cell(w.high(nil))
	for _, uid := range []int{0, 1000} {
		other := w.agent(id, entry{uid: uid})
		for _, a := range []netip.Addr{own, wildcard} {
			if r := other.try("beside", "tcp", at(a, port)); r.Errno != "EACCES" && r.Errno != "EADDRINUSE" {
				w.Errorf("bind to %s beside another's socket = %s; want it refused", a, r.Result())
			}
		}
	}
}

func reservedPort(w *world, a, everywhere netip.Addr) {
	w.needs(ports)
	port := w.freePort()
	w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
	id := w.cell(w.high(nil))
	for _, uid := range []int{0, 1000} {
		m := w.agent(id, entry{uid: uid})
		for _, proto := range []string{"tcp", "udp"} {
			m.want("EACCES", "bind", proto, at(a, port))
			m.want("EACCES", "bind", proto, at(everywhere, port))
		}
	}
}

// ownAddress makes an agent in a cell that has one address.
func ownAddress(w *world, a netip.Addr, uid int) *member {
	w.needs(addresses)
	return w.agent(w.cell(w.high(func(s *kmod.Spec) { s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{a} })), entry{uid: uid})
}

var ownAddresses = []harness.Case{
	{
		Name: "address/own", Clause: "node policy: cp_addresses", Does: "a cell binds to its own address, to a port or to any",
		Run: in(func(w *world) {
			for _, uid := range []int{0, 1000} {
				m := ownAddress(w, own, uid)
				for _, port := range []uint16{w.freePort(), 0} {
					m.want("ok", "bind", "tcp", at(own, port))
					m.want("ok", "bind", "udp", at(own, port))
				}
			}
		}),
	},
	{
		Name: "address/foreign", Clause: "node policy: cp_addresses", Does: "an address that is not the cell's is EACCES",
		Run: in(func(w *world) {
			w.withAddress(foreign)
			m := ownAddress(w, own, 0)
			for _, port := range []uint16{w.freePort(), 0} {
				m.want("EACCES", "bind", "tcp", at(foreign, port))
				m.want("EACCES", "bind", "udp", at(foreign, port))
			}
			w.agent(w.cell(w.high(nil)), entry{}).want("ok", "bind", "tcp", at(foreign, 0))
		}),
	},
	{
		Name: "address/wildcard", Clause: "node policy: cp_addresses", Does: "so is every address at once",
		Run: in(func(w *world) {
			m, port := ownAddress(w, own, 0), w.freePort()
			m.want("EACCES", "bind", "tcp", at(wildcard, port))
			m.want("EACCES", "bind", "udp", at(wildcard, port))
		}),
	},
	{
		Name: "address/ip6", Clause: "node policy: cp_addresses", Does: "the same holds of IPv6, and an IPv4 cell has no IPv6 address",
		Run: in(func(w *world) {
			w.needsIP6()
			m, port := ownAddress(w, own6, 0), w.freePort()
			m.want("ok", "bind", "tcp", at(own6, port))
			m.want("EACCES", "bind", "tcp", at(any6, port))
			m.want("EACCES", "bind", "tcp", at(own, port))
			ownAddress(w, own, 0).want("EACCES", "bind", "udp", at(own6, port))
		}),
	},
	{
		Name: "address/mapped", Clause: "node policy: cp_addresses", Does: "an IPv6 socket gets no further with an IPv4-mapped address",
		Run: in(func(w *world) {
			w.needsIP6()
			w.withAddress(foreign)
			m := ownAddress(w, own, 0)
			r := m.try("mapped", at(foreign, w.freePort()))
			if r.Errno != "EACCES" && r.Errno != "EADDRNOTAVAIL" && r.Errno != "EINVAL" {
				w.Errorf("bind to the mapped address = %s (%s); want it refused", r.Result(), r.Detail)
			}
		}),
	},
	{
		Name: "address/connect", Clause: "node policy: cp_addresses", Does: "connecting and sending without a bind work",
		Run: in(func(w *world) {
			host := w.onHost(0)
			tcp, udp := host.must("listen", "tcp", at(own, 0)).Size, host.must("listen", "udp", at(own, 0)).Size
			for _, uid := range []int{0, 1000} {
				m := ownAddress(w, own, uid)
				m.want("ok", "connect", "tcp", at(own, uint16(tcp)))
				m.want("ok", "connect", "udp", at(own, uint16(udp)))
				m.want("ok", "autobind", at(own, uint16(udp)))
			}
		}),
	},
	{
		Name: "address/reserved", Clause: "node policy", Does: "an own address does not open another cell's port",
		Run: in(func(w *world) {
			w.needs(ports)
			port := w.freePort()
			w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: port}} }))
			ownAddress(w, own, 0).want("EACCES", "bind", "tcp", at(own, port))
		}),
	},
}

var networks = []harness.Case{
	{
		Name: "network/none", Clause: "class network.socket.open.inet", Does: "without a network, internet sockets are EPERM and AF_UNIX is not",
		Run: in(func(w *world) {
			w.needs(network)
			for _, p := range policy.Profiles {
				s := w.spec(p)
				s.Network = kmod.NetworkNone
				id := w.cell(s)
				for _, uid := range []int{0, 1000} {
					m := w.agent(id, entry{uid: uid})
					for _, kind := range []string{"inet/stream", "inet/dgram", "inet6/stream", "inet6/dgram"} {
						m.want("EPERM", "socket", kind)
					}
					m.want("ok", "socket", "unix/stream")
					m.want("ok", "socket", "unix/dgram")
				}
			}
		}),
	},
	{
		Name: "network/none-raw", Clause: "classes network.socket.open.raw, .route", Does: "nor raw ones, nor the routing table's, at any profile",
		Run: in(func(w *world) {
			w.needs(network)
			for _, p := range policy.Profiles {
				s := w.spec(p)
				s.Network = kmod.NetworkNone
				m := w.agent(w.cell(s), entry{})
				for _, kind := range []string{"inet/raw", "inet6/raw", "route"} {
					m.want("EPERM", "socket", kind)
				}
			}
		}),
	},
	{
		Name: "network/host", Clause: "class network.socket.open.inet", Does: "with the host's network a cell talks to the host and other cells",
		Run: in(func(w *world) {
			server := w.agent(w.cell(w.high(nil)), entry{uid: 1000})
			port := server.must("listen", "tcp", at(own, 0)).Size
			w.agent(w.cell(w.high(nil)), entry{uid: 1000}).want("ok", "connect", "tcp", at(own, uint16(port)))
			w.onHost(1000).want("ok", "connect", "tcp", at(own, uint16(port)))
		}),
	},
}

func at(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }

// freePort is a port that nobody uses.
func (w *world) freePort() uint16 {
	fd, err := agent.BoundSocket("tcp", at(wildcard, 0))
	w.Must("find a free port", err)
	defer func() { _ = unix.Close(fd) }()
	port, err := agent.LocalPort(fd)
	w.Must("find a free port", err)
	return uint16(port)
}

// needsIP6 ends the case where the host has no IPv6.
func (w *world) needsIP6() {
	fd, err := agent.BoundSocket("tcp", at(own6, 0))
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	if err != nil {
		w.Skipf("this host does not have %s: %v", own6, err)
	}
}

// bindable says whether the host has an address.
func bindable(a netip.Addr) bool {
	fd, err := agent.BoundSocket("tcp", at(a, 0))
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	return err == nil
}
