package policy

// Linux capabilities and explicit grants compiled to a set of permissions.

import (
	"fmt"
	"strings"
)

// Effect is what became of a permission or capability.
type Effect string

const (
	Opened  Effect = "opened"  // granted beyond the profile
	Closed  Effect = "closed"  // taken away from the profile
	Kept    Effect = "kept"    // as the profile says
	Ignored Effect = "ignored" // a capability that stands for nothing here
)

// Decision is one step from a profile to a set, with its reason. A decision
// about a capability that maps to no permission has Permission Never.
type Decision struct {
	Permission Permission
	Effect     Effect
	// Capability is the Linux capability that led to it ("CAP_KILL"); empty
	// for an explicit grant.
	Capability string
	Reason     string
}

// Undroppable are capabilities that a kauth(9) listener cannot take from root:
// the vnode scope asks for the result of a mode check, not for its override.
var Undroppable = [...]string{"DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER"}

// Unmapped are the capabilities that have no counterpart on NetBSD.
var Unmapped = [...]string{
	"SETPCAP", "SETFCAP", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "LEASE", "NET_BROADCAST",
	"WAKE_ALARM", "BLOCK_SUSPEND", "PERFMON", "BPF", "CHECKPOINT_RESTORE", "MAC_ADMIN", "MAC_OVERRIDE",
}

// KnownCapability tells whether name, without CAP_, is a Linux capability.
func KnownCapability(name string) bool {
	for i := range Permissions {
		if contains(Permissions[i].Capabilities, name) {
			return true
		}
	}
	return contains(Undroppable[:], name) || contains(Unmapped[:], name)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// ForCapabilities compiles a profile, the capabilities of a config (nil: the
// config lists none, so they say nothing; empty: it lists that there are
// none) and explicit permissions to a set. The rule, per permission:
//
//   - an explicit permission is always open;
//   - one without capabilities follows the profile;
//   - a capability that is present opens it, unless the permission is
//     Explicit: then the profile decides;
//   - when all of its capabilities are absent it is closed.
//
// Capabilities are named with or without CAP_. Decisions come in bit order,
// those about capabilities without a permission after them.
func ForCapabilities(p Profile, caps []string, explicit []Permission) (Set, []Decision) {
	have := make([]string, len(caps))
	for i, c := range caps {
		have[i] = strings.TrimPrefix(strings.ToUpper(c), "CAP_")
	}
	var granted Set
	for _, e := range explicit {
		granted = granted.With(e)
	}
	set, start := Set(0), Defaults(p)
	var decisions []Decision
	for i := range Permissions {
		info := &Permissions[i]
		open, d := info.compile(p, start.Has(info.Permission), granted.Has(info.Permission), caps != nil, have)
		if open {
			set = set.With(info.Permission)
		}
		if d.Reason != "" {
			decisions = append(decisions, d)
		}
	}
	return set, append(decisions, leftovers(caps != nil, have)...)
}

// compile decides about one permission; a decision without a reason is not
// worth reporting.
func (i *PermissionInfo) compile(p Profile, start, granted, listed bool, have []string) (bool, Decision) {
	d := Decision{Permission: i.Permission, Effect: Kept}
	if granted {
		d.Effect, d.Reason = Opened, "granted explicitly"
		if start {
			d.Effect, d.Reason = Kept, fmt.Sprintf("granted explicitly, and open at profile %s", p)
		}
		return true, d
	}
	if !listed || len(i.Capabilities) == 0 {
		return start, d
	}
	for _, c := range i.Capabilities {
		if contains(have, c) {
			return i.present(p, start, c)
		}
	}
	d.Capability = "CAP_" + strings.Join(i.Capabilities, ", CAP_")
	if start {
		d.Effect, d.Reason = Closed, "not among the capabilities listed"
	}
	return false, d
}

// present decides about a permission whose capability c is listed.
func (i *PermissionInfo) present(p Profile, start bool, c string) (bool, Decision) {
	d := Decision{Permission: i.Permission, Effect: Kept, Capability: "CAP_" + c}
	switch {
	case start:
		d.Reason = fmt.Sprintf("open at profile %s", p)
		return true, d
	case i.Explicit:
		d.Reason = fmt.Sprintf("needs an explicit grant: add %q to netbsd.cell.permissions", i.Name)
		return false, d
	}
	d.Effect, d.Reason = Opened, "opened by the capability"
	return true, d
}

// leftovers reports the capabilities that change nothing.
func leftovers(listed bool, have []string) []Decision {
	var out []Decision
	if !listed {
		return out
	}
	for _, c := range Undroppable {
		if !contains(have, c) {
			out = append(out, Decision{
				Permission: Never, Effect: Ignored, Capability: "CAP_" + c,
				Reason: "cannot be taken away: root in a cell overrides file modes inside the cell's root",
			})
		}
	}
	for _, c := range have {
		switch {
		case contains(Unmapped[:], c):
			out = append(out, Decision{Permission: Never, Effect: Ignored, Capability: "CAP_" + c, Reason: "has no counterpart on NetBSD"})
		case !KnownCapability(c):
			out = append(out, Decision{Permission: Never, Effect: Ignored, Capability: "CAP_" + c, Reason: "is not a known capability"})
		}
	}
	return out
}
