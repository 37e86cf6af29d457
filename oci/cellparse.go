package oci

// Parsers of the netbsd section's values, which annotations share.

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// ParsePort reads a reserved port: "8080", "8080/udp", "192.0.2.1:80/tcp" or
// "[2001:db8::1]:80". Without an address it is reserved on every address,
// without a protocol for tcp and udp.
func ParsePort(s string) (kmod.Port, error) {
	rest, proto, hasProto := strings.Cut(s, "/")
	if hasProto && proto != "tcp" && proto != "udp" {
		return kmod.Port{}, fmt.Errorf("port %s: unknown protocol %s (use tcp or udp)", quote(s), quote(proto))
	}
	port := kmod.Port{Proto: proto}
	number := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host := rest[:i]
		number = rest[i+1:]
		inner, bracket := strings.CutPrefix(host, "[")
		if bracket {
			inner, bracket = strings.CutSuffix(inner, "]")
		}
		addr, err := netip.ParseAddr(inner)
		if err != nil || addr.Zone() != "" || addr.Is4() == bracket {
			return kmod.Port{}, fmt.Errorf("port %s: no address before the port (as in 192.0.2.1:80 or [2001:db8::1]:80)", quote(s))
		}
		if port.Addr = addr.Unmap(); port.Addr.IsUnspecified() {
			port.Addr = netip.Addr{} // every address, by another name
		}
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return kmod.Port{}, fmt.Errorf("port %s: must be a number from 1 to 65535, with an address before and a protocol behind it if you like", quote(s))
	}
	port.Port = uint16(n)
	return port, nil
}

// ParsePermission reads a permission's name; "-" in front closes it.
func ParsePermission(s string) (p policy.Permission, closed bool, err error) {
	bare, closed := strings.CutPrefix(s, "-")
	if p, err = policy.ParsePermission(bare); err != nil {
		if near := Nearest(bare, policy.All().Names()); near != "" {
			err = fmt.Errorf("unknown permission %s; did you mean %s?", quote(bare), near)
		}
	}
	return p, closed, err
}

// Limits are NetBSD's resource limits by name, such as "nofile" (setrlimit(2)).
func Limits() (names []string) {
	for _, l := range limits {
		if l.exists&onNetBSD != 0 {
			names = append(names, strings.ToLower(strings.TrimPrefix(l.name, "RLIMIT_")))
		}
	}
	return names
}

// CheckLimit tells whether NetBSD has a resource limit of the name.
func CheckLimit(name string) error {
	known := Limits()
	switch near := Nearest(name, known); {
	case slices.Contains(known, strings.ToLower(name)):
		return nil
	case near != "":
		return fmt.Errorf("NetBSD has no limit %s; did you mean %s?", quote(name), near)
	}
	return fmt.Errorf("NetBSD has no limit %s; there are %s", quote(name), strings.Join(known, ", "))
}

// maxInterface is IFNAMSIZ without the NUL: if_nametoindex(3).
const maxInterface = 15

// ParseAddress reads an interface and an address with its prefix length.
func ParseAddress(iface, address string) (Address, error) {
	if iface == "" || len(iface) > maxInterface || strings.ContainsFunc(iface, notInterface) {
		return Address{}, fmt.Errorf("%s is not the name of an interface, such as wm0", quote(iface))
	}
	p, err := netip.ParsePrefix(address)
	if err != nil {
		return Address{}, fmt.Errorf("%s is not an address with its prefix length, such as 192.0.2.10/24", quote(address))
	}
	a := p.Addr()
	if a.Is4In6() || a.IsUnspecified() || a.IsMulticast() {
		return Address{}, fmt.Errorf("%s can't be an address of a cell", quote(address))
	}
	if a.Is6() && a.IsLinkLocalUnicast() {
		return Address{}, fmt.Errorf("%s is link-local, which means another address on each interface: give a cell one that is not", quote(address))
	}
	return Address{Interface: iface, Prefix: p}, nil
}

func notInterface(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' || r == '-' || r == '.')
}

// ParseAddressPair reads the annotations' form, "wm0=192.0.2.10/24".
func ParseAddressPair(s string) (Address, error) {
	iface, address, ok := strings.Cut(s, "=")
	if !ok {
		return Address{}, fmt.Errorf("%s is not of the form interface=address/prefix, such as wm0=192.0.2.10/24", quote(s))
	}
	return ParseAddress(iface, address)
}

// ParseNetwork reads the kind of a cell's network: host, addresses or none.
func ParseNetwork(s string) (kmod.Network, error) {
	switch n := kmod.Network(s); n {
	case kmod.NetworkHost, kmod.NetworkAddresses, kmod.NetworkNone:
		return n, nil
	}
	return "", fmt.Errorf("unknown network %s (use host, addresses or none)", quote(s))
}

// splitList splits an annotation at its commas, spaces around them ignored.
func splitList(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
