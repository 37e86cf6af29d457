package oci

// settle makes the cell, once all wishes are known: network, ports, limits.
// What the kernel interface lacks degrades here, with a note.

import (
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (c *compiler) settle(cfg *Config) {
	if c.plan.Root.Path == "" {
		c.invalid("root.path", "", "missing; give the directory of the root filesystem, such as \"rootfs\"")
	}
	if cfg.Process == nil {
		c.invalid("process", "", "missing; give at least args and cwd")
	} else {
		c.settleProcess()
		c.settleHostname()
		c.plan.Process = c.process
	}
	c.settleNamespaces()
	c.settleNetwork()
	c.settlePorts()
	c.settleMaxProcesses()
	c.settlePermissions()
	c.settleDevices()
	if c.process.NoNewPrivs && !c.emulated() {
		c.plan.Root.NoSuid = true
		for i := range c.plan.Mounts {
			c.plan.Mounts[i].Flags.NoSuid = true
			c.plan.Mounts[i].Below.NoSuid = true
		}
	}
}

// settleNetwork decides which sockets the cell may open: as the netbsd section
// says; else its own addresses if it has some; else none if it wants a network
// namespace of its own; else the host's.
func (c *compiler) settleNetwork() {
	w, addrs := c.want.network, c.want.addresses
	ns := c.namespaceOf(specs.NetworkNamespace)
	cell := &c.plan.Cell
	cell.Addresses = addrs.value
	switch {
	case w.field != "":
		cell.Network = w.value
	case addrs.field != "":
		cell.Network = kmod.NetworkAddresses
	case ns != nil:
		cell.Network = kmod.NetworkNone
	default:
		cell.Network = kmod.NetworkHost
	}
	switch {
	case addrs.field != "" && cell.Network != kmod.NetworkAddresses:
		c.invalid(addrs.field, joinAddresses(addrs.value), "the cell could not use them: "+w.field+" says "+string(w.value)+
			"; remove one of the two")
	case addrs.field == "" && cell.Network == kmod.NetworkAddresses:
		c.invalid(w.field, string(w.value), "the cell has none; add netbsd.cell.addresses")
	case ns != nil && ns.path == "" && cell.Network == kmod.NetworkHost:
		c.invalid(w.field, string(w.value), ns.field+" asks for a network of the container's own; remove one of the two "+
			"(podman --network host, ctr run --net-host)")
		return
	}
	c.noteNetwork(ns)
}

// networkWords say what each network is.
func networkWords(n kmod.Network) string {
	switch n {
	case kmod.NetworkNone:
		return "no IPv4 and IPv6 sockets; local sockets work"
	case kmod.NetworkAddresses:
		return "the host's network, sockets bound to the cell's own addresses only"
	}
	return "the host's network, shared"
}

// noteNetwork notes the namespace and the settings that led to the network.
func (c *compiler) noteNetwork(ns *namespace) {
	cell := &c.plan.Cell
	support := kmod.Support{Level: kmod.Enforced}
	switch cell.Network {
	case kmod.NetworkNone:
		support = c.f.Network
	case kmod.NetworkAddresses:
		support = c.f.Addresses
	}
	words := networkWords(cell.Network)
	explicit := c.want.network.field != "" || c.want.addresses.field != ""
	if support.Level == kmod.Absent {
		c.noNetwork(ns, support)
		return
	}
	if c.want.network.field != "" {
		c.graded(c.want.network.field, string(cell.Network), support, words)
	}
	if c.want.addresses.field != "" {
		c.noteAddresses(support, words)
	}
	switch {
	case ns == nil:
	case ns.path != "" && !explicit:
		c.fatal(ns.field+".path", quote(ns.path), "a cell can't join a network namespace: all cells share the host's network. Use the host's "+
			"network (podman --network host, ctr run --net-host), none (podman --network none), or addresses of the cell's own "+
			"(annotation org.netbsd.cell.addresses=wm0=192.0.2.10/24)")
	case ns.path != "":
		c.refused(ns.field+".path", quote(ns.path), "not joined; the cell has instead: "+words)
	case support.Level == kmod.Recorded:
		c.approximated(ns.field, ns.value(), "kept and shown, not enforced: "+support.Reason)
	default:
		c.approximated(ns.field, ns.value(), "instead of a network of its own the cell has: "+words)
	}
}

// noteAddresses notes what becomes of the addresses on the host's interfaces.
func (c *compiler) noteAddresses(s kmod.Support, words string) {
	field, value := c.want.addresses.field, joinAddresses(c.plan.Cell.Addresses)
	if c.emulated() && s.Level == kmod.Enforced {
		c.approximated(field, value, words+"; the emulator changes no interface of the host: an address has to be there already")
		return
	}
	c.graded(field, value, s, words+"; each is added to its interface before the cell is made, and taken away "+
		"after the last cell that has it, unless it was there before")
}

// noNetwork notes that a network other than the host's can't be had, on every
// field that asks for one, with what to do about each.
func (c *compiler) noNetwork(ns *namespace, s kmod.Support) {
	sorry := "this kernel interface can't keep a cell off the network" + because(s.Reason) + "; to share the host's network, "
	if field := c.want.network.field; field != "" {
		c.fatal(field, string(c.plan.Cell.Network), sorry+"say \"host\"")
	}
	if field := c.want.addresses.field; field != "" {
		c.fatal(field, joinAddresses(c.plan.Cell.Addresses), sorry+"remove them")
	}
	if ns != nil {
		c.fatal(ns.field, ns.value(), sorry+"remove the namespace (podman --network host, ctr run --net-host)")
	}
}

func joinAddresses(list []Address) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, ",")
}

// settlePorts reserves ports; a kernel that knows no addresses reserves them
// on all.
func (c *compiler) settlePorts() {
	w := c.want.ports
	if w.field == "" {
		return
	}
	ports, narrowed := w.value, false
	if c.f.PortAddress.Level == kmod.Absent {
		ports = nil
		for _, p := range w.value {
			wide := kmod.Port{Port: p.Port}
			narrowed = narrowed || wide != p
			if !slices.Contains(ports, wide) {
				ports = append(ports, wide)
			}
		}
	}
	c.plan.Cell.Ports = ports
	value := joinPorts(w.value)
	if narrowed && c.f.Ports.Level != kmod.Absent {
		c.approximated(w.field, value, "reserved on every address, for tcp and udp: this kernel interface does not tell them apart")
		return
	}
	c.graded(w.field, value, c.f.Ports, "no other cell can bind to them")
}

func joinPorts(list []kmod.Port) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = PortString(p)
	}
	return strings.Join(words, ",")
}

// PortString writes a port as ParsePort reads it.
func PortString(p kmod.Port) string {
	s := strconv.Itoa(int(p.Port))
	switch {
	case p.Addr.Is4():
		s = p.Addr.String() + ":" + s
	case p.Addr.Is6():
		s = "[" + p.Addr.String() + "]:" + s
	}
	if p.Proto != "" {
		s += "/" + p.Proto
	}
	return s
}

// settleMaxProcesses takes the lower of the cell's own limit and Linux's.
func (c *compiler) settleMaxProcesses() {
	cell := &c.plan.Cell
	if w := c.want.maxProcesses; w.field != "" {
		value := strconv.FormatUint(w.value, 10)
		if w.value == 0 {
			c.exact(w.field, value, "no limit")
		} else {
			c.graded(w.field, value, c.f.MaxProcesses, "")
		}
		cell.MaxProcesses = w.value
	}
	if l := c.want.pidsLimit; l > 0 && (cell.MaxProcesses == 0 || l < cell.MaxProcesses) {
		cell.MaxProcesses = l
	}
}
