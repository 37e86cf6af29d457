package oci

// Permissions: profile, capabilities, explicit grants and what follows from
// namespaces and network, compiled to one set. A kernel interface that has no
// bitmap gets the nearest profile that is not more permissive.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ipcPermissions are what a private ipc namespace keeps closed.
var ipcPermissions = [...]policy.Permission{policy.SysVIPC, policy.SysVIPCOverride, policy.PosixIPC}

func (c *compiler) settlePermissions() {
	cell := &c.plan.Cell
	cell.Profile = policy.High
	if c.want.profile.field != "" {
		cell.Profile = c.want.profile.value
	}
	w := c.want.permissions.value
	var decisions []policy.Decision
	cell.Permissions, decisions = policy.ForCapabilities(cell.Profile, c.want.caps, w.open.List())
	c.recordDecisions(decisions, w)
	for _, p := range w.closed.List() {
		c.close(p, w.fields[p])
	}
	if ns := c.namespaceOf(specs.IPCNamespace); ns != nil {
		c.closeIPC(ns, w)
	}
	if cell.Network == kmod.NetworkNone {
		c.closeInet(w)
	}
	c.noteProfile()
	if c.f.Permissions.Level == kmod.Absent {
		c.degradePermissions()
	}
	c.notePermissions()
}

// close takes a permission away and says which field did.
func (c *compiler) close(p policy.Permission, field string) {
	cell := &c.plan.Cell
	if !cell.Permissions.Has(p) {
		return
	}
	cell.Permissions = cell.Permissions.Without(p)
	cell.Grants = slices.DeleteFunc(cell.Grants, func(g Grant) bool { return g.Permission == p })
	cell.Grants = append(cell.Grants, Grant{Permission: p, Name: p.String(), Field: field})
}

// closeIPC stands in for an ipc namespace: what would be shared is closed.
func (c *compiler) closeIPC(ns *namespace, w permissionWish) {
	var shared []string
	for _, p := range ipcPermissions {
		if w.open.Has(p) {
			shared = append(shared, p.String())
			continue
		}
		c.close(p, ns.field+": ipc")
	}
	reason := "System V and POSIX IPC are closed to the cell instead of being its own"
	if shared != nil {
		reason = "shared with the host, because " + c.want.permissions.field + " opens " + strings.Join(shared, ", ")
	}
	if ns.path != "" {
		reason += "; the namespace is not joined: nothing is shared with its processes"
	}
	c.approximated(ns.field, ns.value(), reason)
}

// closeInet carries out network none.
func (c *compiler) closeInet(w permissionWish) {
	field := "network none"
	if c.want.network.field != "" {
		field = c.want.network.field + ": none"
	} else if ns := c.namespaceOf(specs.NetworkNamespace); ns != nil {
		field = ns.field + ": network"
	}
	for _, p := range policy.Internet.List() {
		if w.open.Has(p) {
			c.invalid(w.fields[p], p.String(), "contradicts the network none of "+field+"; remove one of the two")
			continue
		}
		c.close(p, field)
	}
}

// recordDecisions turns the policy's decisions into grants, and those about
// capabilities that change nothing into one note.
func (c *compiler) recordDecisions(decisions []policy.Decision, w permissionWish) {
	cell := &c.plan.Cell
	var explicit, noCounterpart, undroppable []string
	for _, d := range decisions {
		switch {
		case d.Effect == policy.Opened && d.Capability == "":
			cell.Grants = append(cell.Grants, Grant{d.Permission, d.Permission.String(), true, w.fields[d.Permission]})
		case d.Effect == policy.Opened:
			cell.Grants = append(cell.Grants, Grant{d.Permission, d.Permission.String(), true, c.capabilityField(d.Capability)})
		case d.Effect == policy.Closed:
			cell.Grants = append(cell.Grants, Grant{
				d.Permission, d.Permission.String(), false,
				fmt.Sprintf("%s.bounding: without %s", c.want.capsField, d.Capability),
			})
		case d.Effect == policy.Ignored:
			c.ignoredCapability(d, &noCounterpart, &undroppable)
		case d.Capability != "" && !cell.Permissions.Has(d.Permission):
			explicit = append(explicit, d.Permission.String())
		}
	}
	if c.want.capsField == "" {
		return
	}
	reason := "the bounding set is compiled to permissions of the whole cell; NetBSD has no capabilities of a process"
	reason += listed("; too far-reaching to follow from a capability (add to netbsd.cell.permissions if needed): ", explicit)
	reason += listed("; without counterpart: ", noCounterpart)
	reason += listed("; root in a cell keeps: ", undroppable)
	c.approximated(c.want.capsField, plural(len(c.want.caps), "capability", "capabilities"), reason)
}

func listed(words string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return words + strings.Join(list, ", ")
}

// ignoredCapability sorts a capability that stands for no permission.
func (c *compiler) ignoredCapability(d policy.Decision, noCounterpart, undroppable *[]string) {
	name := strings.TrimPrefix(d.Capability, "CAP_")
	switch {
	case slices.Contains(policy.Undroppable[:], name):
		*undroppable = append(*undroppable, d.Capability)
	case policy.KnownCapability(name):
		*noCounterpart = append(*noCounterpart, d.Capability)
	default:
		field, _, _ := strings.Cut(c.capabilityField(d.Capability), ": ")
		c.refused(field, quote(d.Capability), "not a known capability; grants nothing")
	}
}

// capabilityField names the entry that lists a capability:
// "process.capabilities.bounding[2]: CAP_SYS_TIME".
func (c *compiler) capabilityField(name string) string {
	for i, listed := range c.want.caps {
		if strings.TrimPrefix(strings.ToUpper(listed), "CAP_") == strings.TrimPrefix(name, "CAP_") {
			return fmt.Sprintf("%s.bounding[%d]: %s", c.want.capsField, i, name)
		}
	}
	return c.want.capsField + ".bounding: " + name
}

func (c *compiler) noteProfile() {
	field, value := c.want.profile.field, c.plan.Cell.Profile.String()
	if field == "" {
		if c.f.Profiles.Level == kmod.Enforced {
			return
		}
		field = "netbsd.cell.profile"
	}
	c.graded(field, value, c.f.Profiles, "")
}

func (c *compiler) notePermissions() {
	w := c.want.permissions
	if w.field == "" {
		return
	}
	value := listed("", append(w.value.open.Names(), minus(w.value.closed)...))
	switch c.f.Permissions.Level {
	case kmod.Enforced:
		c.exact(w.field, value, "")
	case kmod.Recorded:
		c.approximated(w.field, value, "kept and shown, not enforced: "+c.f.Permissions.Reason)
	}
}

func minus(s policy.Set) []string {
	names := s.Names()
	for i := range names {
		names[i] = "-" + names[i]
	}
	return names
}

// closersOf lists the fields that close permissions, once each.
func closersOf(grants []Grant) []string {
	var fields []string
	for _, g := range grants {
		field, _, _ := strings.Cut(g.Field, ": ")
		if !g.Open && !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	return fields
}

// degradePermissions picks, for a kernel interface with profiles only, the
// most permissive one that opens nothing more than was asked for.
func (c *compiler) degradePermissions() {
	cell := &c.plan.Cell
	asked, start := cell.Permissions, cell.Profile
	closers := closersOf(cell.Grants)
	// No profile closes what high leaves open, nor what comes with it there.
	base := policy.Published(policy.High)
	cell.Profile = policy.High
	for _, p := range policy.Profiles {
		with := policy.Published(p) &^ policy.Defaults(p)
		if policy.Published(p)&^(asked|base|with) == 0 {
			cell.Profile = p
			break
		}
	}
	cell.Permissions = policy.Published(cell.Profile)
	cell.Grants = slices.DeleteFunc(cell.Grants, func(g Grant) bool { return g.Open != cell.Permissions.Has(g.Permission) })
	var parts []string
	if cell.Profile != start {
		part := fmt.Sprintf("profile %s instead of %s", cell.Profile, start)
		if closers != nil {
			part += ", which opens what these close: " + strings.Join(closers, ", ")
		}
		parts = append(parts, part)
	}
	if lost := asked &^ cell.Permissions; lost != 0 {
		parts = append(parts, "stay closed though asked for: "+strings.Join(lost.Names(), ", "))
	}
	if extra := cell.Permissions &^ asked; extra != 0 {
		parts = append(parts, "stay open though not asked for: "+strings.Join(extra.Names(), ", "))
	}
	if parts == nil {
		return
	}
	field := c.want.permissions.field
	if field == "" {
		field = "netbsd.cell.permissions"
	}
	c.approximated(field, "", "this kernel interface knows the three profiles only: "+strings.Join(parts, "; "))
}
