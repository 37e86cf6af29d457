package kmod

// What a Spec has to look like, for every kernel interface alike. The rules
// are the module's, see struct cell_create and struct cell_policy in kmod/wire.
// The kernel answers each of these mistakes with a bare EINVAL, so they are
// found here first and named: the field, the value and the way out.

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

// Check refuses a spec that no module takes. Every error wraps EINVAL.
func (s *Spec) Check() error {
	for _, check := range [...]func() error{
		func() error { return CheckName(s.Name) },
		func() error { return CheckRoot(s.Root) },
		s.checkPermissions,
		s.checkNetwork,
		s.checkPorts,
		s.checkDevices,
	} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", err, syscall.EINVAL)
		}
	}
	return nil
}

// CheckName accepts [A-Za-z0-9._-], 1 to MaxName bytes.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("cell name is empty")
	}
	if len(name) > MaxName {
		return fmt.Errorf("cell name %q: %d bytes, at most %d fit", name, len(name), MaxName)
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

// CheckRoot accepts an absolute path without control characters, of at most
// MaxRoot bytes. Whether it is a directory is the kernel's to say.
func CheckRoot(root string) error {
	if !strings.HasPrefix(root, "/") {
		return fmt.Errorf("cell root %q: must be an absolute path", root)
	}
	if len(root) > MaxRoot {
		return fmt.Errorf("cell root %q: %d bytes, at most %d fit (choose a shorter --root directory)", root, len(root), MaxRoot)
	}
	for i := range len(root) {
		if c := root[i]; c < 0x20 || c == 0x7f {
			return fmt.Errorf("cell root %q: control character %#x", root, c)
		}
	}
	return nil
}

func (s *Spec) checkPermissions() error {
	if s.Profile > policy.High {
		return fmt.Errorf("profile %d does not exist (use low, medium or high)", uint8(s.Profile))
	}
	if unknown := s.Permissions &^ policy.All(); unknown != 0 {
		return fmt.Errorf("permissions: %s does not exist (there are %s)", unknown, policy.All())
	}
	return nil
}

// Spec is the host's part of a cell's specification. Errors name the field and
// the way out.
func (r *Reservations) Spec() (*Spec, error) {
	s := &Spec{Network: NetworkHost, Ports: r.Ports, Addresses: r.Addresses}
	if len(r.Addresses) > 0 {
		s.Network = NetworkAddresses
	}
	if err := s.checkNetwork(); err != nil {
		return nil, err
	}
	return s, s.checkPorts()
}

// checkNetwork: addresses and the network of that name go together.
func (s *Spec) checkNetwork() error {
	switch s.Network {
	case NetworkAddresses:
		if len(s.Addresses) == 0 {
			return fmt.Errorf("network %q: no addresses are given", s.Network)
		}
	case NetworkHost, NetworkNone, "":
		if len(s.Addresses) > 0 {
			return fmt.Errorf("addresses %v: network is %q (use %q)", s.Addresses, s.Network, NetworkAddresses)
		}
	default:
		return fmt.Errorf("network %q does not exist (use %s, %s or %s)", s.Network, NetworkHost, NetworkAddresses, NetworkNone)
	}
	if len(s.Addresses) > MaxAddresses {
		return fmt.Errorf("addresses: %d given, at most %d fit", len(s.Addresses), MaxAddresses)
	}
	for i, a := range s.Addresses {
		if err := checkAddr(a); err != nil {
			return fmt.Errorf("addresses[%d]: %w", i, err)
		}
		if slices.Contains(s.Addresses[:i], a) {
			return fmt.Errorf("addresses[%d]: %s is given twice", i, a)
		}
	}
	return nil
}

// checkAddr accepts what a socket can be bound to, in one spelling only.
func checkAddr(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return fmt.Errorf("address is empty")
	case a.IsUnspecified():
		return fmt.Errorf("address %s stands for all of the host's (leave it out)", a)
	case a.Is4In6():
		return fmt.Errorf("address %s: write it as IPv4, %s", a, a.Unmap())
	case a.Zone() != "":
		return fmt.Errorf("address %s: the kernel knows no zone (leave out %%%s)", a, a.Zone())
	}
	return nil
}

func (s *Spec) checkDevices() error {
	if len(s.Devices) > MaxDevices {
		return fmt.Errorf("devices: %d listed, at most %d fit (the permission raw-device opens all)", len(s.Devices), MaxDevices)
	}
	for i, d := range s.Devices {
		if d.Type != "c" && d.Type != "b" {
			return fmt.Errorf("devices[%d]: type %q does not exist (use c or b)", i, d.Type)
		}
		if slices.Contains(s.Devices[:i], d) {
			return fmt.Errorf("devices[%d]: %s %d, %d is given twice", i, d.Type, d.Major, d.Minor)
		}
	}
	return nil
}

func (s *Spec) checkPorts() error {
	if len(s.Ports) > MaxPorts {
		return fmt.Errorf("reserved ports: %d given, at most %d fit", len(s.Ports), MaxPorts)
	}
	for i, p := range s.Ports {
		if p.Port == 0 {
			return fmt.Errorf("reserved ports[%d]: port 0 can't be reserved", i)
		}
		if p.Proto != "" && p.Proto != "tcp" && p.Proto != "udp" {
			return fmt.Errorf("reserved ports[%d]: protocol %q does not exist (use tcp, udp or nothing)", i, p.Proto)
		}
		if p.Addr.IsValid() {
			if err := checkAddr(p.Addr); err != nil {
				return fmt.Errorf("reserved ports[%d]: %w", i, err)
			}
		}
		if slices.Contains(s.Ports[:i], p) {
			return fmt.Errorf("reserved ports[%d]: port %d is given twice", i, p.Port)
		}
	}
	return nil
}
