package kmod

// What a kernel interface can do, feature by feature, and what the published
// module can't.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// Support says how far one feature goes: "enforced", "recorded" (kept and
// shown, not enforced) or "absent". Reason is given unless it is enforced.
type Support struct {
	Level  Level  `json:"level"`
	Reason string `json:"reason,omitempty"`
}

// Level is a degree of support.
type Level string

const (
	Enforced Level = "enforced"
	Recorded Level = "recorded"
	Absent   Level = "absent"
)

// Features says what this kernel interface can do. oci.Compile degrades a
// Plan by it, with notes.
type Features struct {
	Backend      string  `json:"backend"` // "secmodel_cell" or "emulator"
	ABI          int     `json:"abi"`     // 0 = the published ABI
	Profiles     Support `json:"profiles"`
	Permissions  Support `json:"permissions"`  // finer than profiles
	Devices      Support `json:"devices"`      // safe device nodes open at every profile
	DeviceList   Support `json:"deviceList"`   // ... and listed ones
	Ports        Support `json:"ports"`        // reserved ports
	PortAddress  Support `json:"portAddress"`  // ... by address and protocol
	Addresses    Support `json:"addresses"`    // bind only to own addresses
	Network      Support `json:"network"`      // network none
	MaxProcesses Support `json:"maxProcesses"` //
	Processes    Support `json:"processes"`    // member list
	Kill         Support `json:"kill"`         // signal to all members
	Stats        Support `json:"stats"`        // denial counters
	ExitStatus   Support `json:"exitStatus"`   // of the first process, kept until Destroy
	// MaxGroups is the kernel's limit on supplementary groups (NGROUPS_MAX).
	MaxGroups int `json:"maxGroups"`
	// Platforms are those whose programs the kernel runs, as image-spec writes
	// them ("netbsd/amd64"), its own first. Empty: not known.
	Platforms []string `json:"platforms,omitempty"`
}

// Feature is one of them with its name for people.
type Feature struct {
	Name string `json:"name"`
	Support
}

// List gives them all, in the order in which they are shown.
func (f *Features) List() []Feature {
	return []Feature{
		{"profiles", f.Profiles},
		{"permissions", f.Permissions},
		{"devices", f.Devices},
		{"device-list", f.DeviceList},
		{"ports", f.Ports},
		{"port-address", f.PortAddress},
		{"addresses", f.Addresses},
		{"network", f.Network},
		{"max-processes", f.MaxProcesses},
		{"processes", f.Processes},
		{"kill", f.Kill},
		{"stats", f.Stats},
		{"exit-status", f.ExitStatus},
	}
}

// LinuxSignals is what happens where a kernel of NetBSD emulates Linux
// (linux_do_tkill, up to 10.99.12), unless the module answers these calls first.
func (f *Features) LinuxSignals() string {
	if f.ABI >= linuxSignalsSince {
		return ""
	}
	return linuxSignals
}

// linuxSignalsSince is the first version of the interface whose modules do.
const linuxSignalsSince = 3

const linuxSignals = "its tkill(2) and tgkill(2) send signals that were refused: a cell can kill processes of the host, root's if it runs as root"

// MaxGroups is NetBSD's NGROUPS_MAX.
const MaxGroups = 16

// Version2 is what this project's module did before wire.DevicesSince.
func Version2() Features {
	f := All()
	f.ABI = wire.DevicesSince - 1
	f.DeviceList = Support{Level: Absent, Reason: "this secmodel_cell opens all device nodes, by raw-device, or none but the ordinary ones"}
	return f
}

// All is what this project's module does: everything.
func All() Features {
	yes := Support{Level: Enforced}
	return Features{
		Backend: "secmodel_cell", ABI: wire.Version, Profiles: yes, Permissions: yes, Devices: yes, DeviceList: yes, Ports: yes, PortAddress: yes,
		Addresses: yes, Network: yes, MaxProcesses: yes, Processes: yes, Kill: yes, Stats: yes, ExitStatus: yes,
		MaxGroups: MaxGroups,
	}
}

// Published is what the published module does.
func Published() Features {
	yes := Support{Level: Enforced}
	absent := func(reason string) Support { return Support{Level: Absent, Reason: "this secmodel_cell " + reason} }
	return Features{
		Backend:      "secmodel_cell",
		Profiles:     yes,
		Permissions:  absent("knows the three profiles only"),
		Devices:      absent("refuses every device node at profiles medium and high, even /dev/null"),
		DeviceList:   absent("opens all device nodes, at profile low, or none"),
		Ports:        yes,
		PortAddress:  absent("reserves a port on every address, for every protocol"),
		Addresses:    absent("does not look at addresses"),
		Network:      absent("gives every cell the host's network"),
		MaxProcesses: absent("does not limit processes"),
		Processes:    absent("has no list of members: a helper that enters the cell makes one"),
		Kill:         absent("can't signal members: a helper that enters the cell does, again and again while they fork"),
		Stats:        absent("does not give out its denial counters"),
		ExitStatus:   absent("does not keep exit statuses: only who has started the process learns it"),
		MaxGroups:    MaxGroups,
	}
}

// CheckFor refuses, with ErrUnsupported, a spec whose cell would be less
// isolated than it asks, or would lack a permission that it asks for.
// MaxProcesses does not count: oci.Compile notes it.
func (s *Spec) CheckFor(f *Features) error {
	unsupported := func(what string, by Support) error {
		return fmt.Errorf("%s: %s: %w", what, by.Reason, ErrUnsupported)
	}
	if want := policy.Published(s.Profile); f.Permissions.Level == Absent && s.Permissions != want {
		return unsupported(fmt.Sprintf("permissions %s (%s opens %s)", s.Permissions, s.Profile, want), f.Permissions)
	}
	switch {
	case s.Network == NetworkNone && f.Network.Level == Absent:
		return unsupported(fmt.Sprintf("network %q", s.Network), f.Network)
	case s.Network == NetworkAddresses && f.Addresses.Level == Absent:
		return unsupported(fmt.Sprintf("addresses %v", s.Addresses), f.Addresses)
	}
	if len(s.Devices) > 0 && f.DeviceList.Level == Absent {
		return unsupported(fmt.Sprintf("%d listed devices", len(s.Devices)), f.DeviceList)
	}
	if f.PortAddress.Level == Absent {
		for i, p := range s.Ports {
			if p.Addr.IsValid() || p.Proto != "" {
				return unsupported(fmt.Sprintf("reserved ports[%d], port %d by address or protocol", i, p.Port), f.PortAddress)
			}
		}
	}
	return nil
}
