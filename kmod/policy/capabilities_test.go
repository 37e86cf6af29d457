package policy

import (
	"slices"
	"strings"
	"testing"
)

// podman's and runc spec's default sets.
var (
	podmanDefault = []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
		"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE",
	}
	runcDefault = []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
)

func TestForCapabilities(t *testing.T) {
	for _, tt := range []struct {
		name         string
		profile      Profile
		caps         []string
		explicit     []Permission
		open, closed []Permission
	}{
		{
			name: "no list leaves the profile alone", profile: High,
			open: []Permission{SetID, Kill, FSAdmin, Inet}, closed: []Permission{Chroot, Mount, SysVIPC, RawOpen},
		},
		{
			name: "an empty list closes whatever has a capability", profile: Low, caps: []string{},
			open:   []Permission{Inet, SysVIPC, PosixIPC, InterfaceRead},
			closed: []Permission{Chroot, Mount, SetID, Kill, BindPrivileged, RawOpen, Time},
		},
		{
			name: "podman's set opens no way out", profile: High, caps: podmanDefault,
			open:   []Permission{Chown, KeepSetID, Kill, BindPrivileged, SetID, Inet},
			closed: []Permission{Chroot, Mknod, RawSocket, RawOpen, Trace, FSAdmin, Schedule, Resource, Debug},
		},
		{
			name: "profile low with podman's set", profile: Low, caps: podmanDefault,
			open: []Permission{Chroot, Mknod, RawSocket, RawOpen}, closed: []Permission{Mount, Module, Reboot},
		},
		{
			name: "runc spec's set", profile: High, caps: runcDefault,
			open: []Permission{Kill, BindPrivileged, Inet}, closed: []Permission{SetID, Chown, RawOpen},
		},
		{
			name: "a capability opens what is not explicit", profile: High, caps: []string{"CAP_SYS_TIME", "SYSLOG", "cap_sys_admin"},
			open: []Permission{Time, KernelAddress, ProcessPointers, FSAdmin}, closed: []Permission{Mount, SysctlWrite},
		},
		{
			name: "an explicit grant wins over an absent capability", profile: High, caps: []string{}, explicit: []Permission{Mount, Kill},
			open: []Permission{Mount, Kill}, closed: []Permission{SetID},
		},
		{
			name: "either of two capabilities", profile: High, caps: []string{"CAP_SETGID"},
			open: []Permission{SetID},
		},
	} {
		set, _ := ForCapabilities(tt.profile, tt.caps, tt.explicit)
		for _, p := range tt.open {
			if !set.Has(p) {
				t.Errorf("%s: %s is closed; want open", tt.name, p)
			}
		}
		for _, p := range tt.closed {
			if set.Has(p) {
				t.Errorf("%s: %s is open; want closed", tt.name, p)
			}
		}
	}
}

// The rule itself, over every profile, permission and choice.
func TestForCapabilitiesRule(t *testing.T) {
	for _, profile := range Profiles {
		for i := range Permissions {
			p := &Permissions[i]
			start := Defaults(profile).Has(p.Permission)
			check := func(caps []string, explicit []Permission, want bool, why string) {
				t.Helper()
				set, _ := ForCapabilities(profile, caps, explicit)
				if set.Has(p.Permission) != want {
					t.Errorf("%s, %s, %s: open = %v; want %v", profile, p.Name, why, !want, want)
				}
			}
			check(nil, nil, start, "no list")
			check(nil, []Permission{p.Permission}, true, "explicit")
			check([]string{}, []Permission{p.Permission}, true, "explicit, empty list")
			check([]string{}, nil, start && len(p.Capabilities) == 0, "empty list")
			for _, c := range p.Capabilities {
				check([]string{c}, nil, start || !p.Explicit, "CAP_"+c)
			}
		}
	}
}

func TestDecisions(t *testing.T) {
	_, ds := ForCapabilities(High, append(slices.Clone(podmanDefault), "CAP_WINGS"), []Permission{Swap, Inet})
	find := func(capability string, p Permission) string {
		for _, d := range ds {
			if d.Permission == p && (capability == "" || d.Capability == capability) {
				return string(d.Effect) + ": " + d.Reason
			}
		}
		return "no decision"
	}
	for _, tt := range []struct {
		cap  string
		p    Permission
		want string
	}{
		{"CAP_SYS_CHROOT", Chroot, `kept: needs an explicit grant: add "chroot" to netbsd.cell.permissions`},
		{"CAP_KILL", Kill, "kept: open at profile high"},
		{"CAP_SYS_PTRACE", Trace, "closed: not among the capabilities listed"},
		{"", Swap, "opened: granted explicitly"},
		{"", Inet, "kept: granted explicitly, and open at profile high"},
		{"CAP_DAC_READ_SEARCH", Never, "ignored: cannot be taken away"},
		{"CAP_SETPCAP", Never, "ignored: has no counterpart"},
		{"CAP_WINGS", Never, "ignored: is not a known capability"},
	} {
		if got := find(tt.cap, tt.p); !strings.HasPrefix(got, tt.want) {
			t.Errorf("decision for %s %s = %q; want %q", tt.cap, tt.p, got, tt.want)
		}
	}
	if got := find("CAP_DAC_OVERRIDE", Never); got != "no decision" {
		t.Errorf("CAP_DAC_OVERRIDE is listed, yet %s", got)
	}
}

// Who lists no capabilities has said nothing of them.
func TestNoListIsNoDecision(t *testing.T) {
	for _, p := range Profiles {
		if set, ds := ForCapabilities(p, nil, nil); set != Defaults(p) || len(ds) != 0 {
			t.Errorf("at %s without a list: %s, %v; want %s and no decisions", p, set, ds, Defaults(p))
		}
	}
}

// Every capability of Linux 6 leads somewhere.
func TestEveryLinuxCapabilityIsKnown(t *testing.T) {
	const linux = `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
		NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
		SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
		SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
	for _, c := range strings.Fields(linux) {
		if !KnownCapability(c) {
			t.Errorf("CAP_%s is not known", c)
		}
	}
	if n := len(strings.Fields(linux)); n != 41 {
		t.Errorf("%d capabilities listed; Linux has 41", n)
	}
}
