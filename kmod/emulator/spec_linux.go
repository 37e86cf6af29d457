// Checks of a cell's description: the published module's rules for struct
// cell_create, with its error numbers.

package emulator

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// checkName accepts what the module accepts: [A-Za-z0-9._-], 1 to MaxName.
func checkName(name string) error {
	if name == "" || len(name) > kmod.MaxName {
		return fmt.Errorf("name %q: %d bytes, want 1 to %d: %w", name, len(name), kmod.MaxName, unix.EINVAL)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("name %q: use only letters, digits, '.', '_' and '-': %w", name, unix.EINVAL)
		}
	}
	return nil
}

// checkRoot accepts an absolute path of a directory.
func checkRoot(root string) error {
	if !filepath.IsAbs(root) || len(root) > kmod.MaxRoot {
		return fmt.Errorf("root %q: want an absolute path of at most %d bytes: %w", root, kmod.MaxRoot, unix.EINVAL)
	}
	if strings.ContainsFunc(root, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("root %q: control character: %w", root, unix.EINVAL)
	}
	var st unix.Stat_t
	if err := unix.Stat(root, &st); err != nil {
		return fmt.Errorf("root %s: %w", root, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("root %s: %w", root, unix.ENOTDIR)
	}
	return nil
}

// checkSpec refuses what the module refuses, in its order.
func checkSpec(s *kmod.Spec) error {
	if len(s.Ports) > kmod.MaxPorts {
		return fmt.Errorf("%d reserved ports, at most %d: %w", len(s.Ports), kmod.MaxPorts, unix.EINVAL)
	}
	for i, p := range s.Ports {
		if p.Port == 0 || (p.Proto != "" && p.Proto != "tcp" && p.Proto != "udp") {
			return fmt.Errorf("reserved port %v: want 1 to 65535 and tcp, udp or nothing: %w", p, unix.EINVAL)
		}
		for _, q := range s.Ports[:i] {
			if overlap(p, q) {
				return fmt.Errorf("reserved port %d: given twice: %w", p.Port, unix.EINVAL)
			}
		}
	}
	if s.Profile > policy.High {
		return fmt.Errorf("%v: %w", s.Profile, unix.EINVAL)
	}
	switch s.Network {
	case kmod.NetworkHost, kmod.NetworkAddresses, kmod.NetworkNone, "":
	default:
		return fmt.Errorf("network %q: want host, addresses or none: %w", s.Network, unix.EINVAL)
	}
	if err := checkAddresses(s); err != nil {
		return err
	}
	if err := checkName(s.Name); err != nil {
		return err
	}
	return checkRoot(s.Root)
}

// checkAddresses refuses an address that is none, and a zone that is not an
// interface's name: netip takes anything for one.
func checkAddresses(s *kmod.Spec) error {
	all := slices.Clone(s.Addresses)
	for _, p := range s.Ports {
		if p.Addr.IsValid() {
			all = append(all, p.Addr)
		}
	}
	for _, a := range all {
		if !a.IsValid() || a.Zone() != "" && checkName(a.Zone()) != nil {
			return fmt.Errorf("address %q: want an IPv4 or IPv6 address: %w", a, unix.EINVAL)
		}
	}
	return nil
}

// overlap tells whether one socket could claim both ports.
func overlap(p, q kmod.Port) bool {
	return p.Port == q.Port &&
		(p.Proto == "" || q.Proto == "" || p.Proto == q.Proto) &&
		(everyAddr(p.Addr) || everyAddr(q.Addr) || p.Addr.Unmap() == q.Addr.Unmap())
}

func everyAddr(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
