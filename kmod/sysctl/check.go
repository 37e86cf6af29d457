package sysctl

// What the kernel would refuse with a bare EINVAL is refused here first, with
// the field, the value and the way out. What this kernel interface would
// silently not do is refused as well: oci.Compile has settled it before.

import (
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// check tells whether the published interface can carry out s.
func check(s *kmod.Spec) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if err := checkRoot(s.Root); err != nil {
		return err
	}
	if s.Profile > policy.High {
		return fmt.Errorf("profile %d does not exist (use low, medium or high)", uint8(s.Profile))
	}
	if err := checkPorts(s.Ports); err != nil {
		return err
	}
	return checkSupported(s)
}

// checkSupported refuses what would leave the cell less isolated than s asks.
// MaxProcesses does not: Features reports it absent and the Plan notes it.
func checkSupported(s *kmod.Spec) error {
	if want := policy.Defaults(s.Profile); s.Permissions != want {
		return fmt.Errorf("permissions %s: this secmodel_cell knows the three profiles only, and %s opens %s: %w",
			s.Permissions, s.Profile, want, kmod.ErrUnsupported)
	}
	if s.Network != kmod.NetworkHost && s.Network != "" {
		return fmt.Errorf("network %q: this secmodel_cell gives every cell the host's network (use %q): %w",
			s.Network, kmod.NetworkHost, kmod.ErrUnsupported)
	}
	if len(s.Addresses) > 0 {
		return fmt.Errorf("addresses %v: this secmodel_cell does not look at addresses: %w", s.Addresses, kmod.ErrUnsupported)
	}
	return nil
}

// checkName: [A-Za-z0-9._-], 1 to kmod.MaxName bytes.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("cell name is empty")
	}
	if len(name) > kmod.MaxName {
		return fmt.Errorf("cell name %q: %d bytes, at most %d fit", name, len(name), kmod.MaxName)
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("cell name %q: %q is not allowed (use letters, digits, '.', '_' and '-')", name, c)
		}
	}
	return nil
}

// checkRoot: absolute, no control characters, at most kmod.MaxRoot bytes.
func checkRoot(root string) error {
	if !strings.HasPrefix(root, "/") {
		return fmt.Errorf("cell root %q: must be an absolute path", root)
	}
	if len(root) > kmod.MaxRoot {
		return fmt.Errorf("cell root %q: %d bytes, at most %d fit (choose a shorter --root directory)", root, len(root), kmod.MaxRoot)
	}
	for i := range len(root) {
		if c := root[i]; c < 0x20 || c == 0x7f {
			return fmt.Errorf("cell root %q: control character %#x", root, c)
		}
	}
	return nil
}

func checkPorts(ports []kmod.Port) error {
	if len(ports) > kmod.MaxPorts {
		return fmt.Errorf("reserved ports: %d given, at most %d fit", len(ports), kmod.MaxPorts)
	}
	for i, p := range ports {
		if p.Port == 0 {
			return fmt.Errorf("reserved ports[%d]: port 0 can't be reserved", i)
		}
		if p.Addr.IsValid() || p.Proto != "" {
			return fmt.Errorf("reserved ports[%d]: port %d by address or protocol: this secmodel_cell reserves it for all of them: %w",
				i, p.Port, kmod.ErrUnsupported)
		}
		for j := range i {
			if ports[j].Port == p.Port {
				return fmt.Errorf("reserved ports[%d]: port %d is given twice", i, p.Port)
			}
		}
	}
	return nil
}
