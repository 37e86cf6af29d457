package oci

// The linux section's fields that have a counterpart, and the host's name.

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// namespace is an entry of linux.namespaces, judged when all are known.
type namespace struct {
	field string
	typ   specs.LinuxNamespaceType
	path  string
}

func (n namespace) value() string {
	if n.path == "" {
		return string(n.typ)
	}
	return string(n.typ) + " " + quote(n.path)
}

// namespaceKinds says what a new namespace of each type becomes. Those without
// a reason depend on the netbsd section and are noted when all is known.
var namespaceKinds = [...]struct {
	typ    specs.LinuxNamespaceType
	grade  Grade
	fatal  bool
	reason string
}{
	{specs.PIDNamespace, Approximated, false, "a cell sees and signals its own processes only; they keep the host's process ids"},
	{specs.NetworkNamespace, "", false, ""}, // noteNetwork
	{specs.IPCNamespace, "", false, ""},     // closeIPC
	{specs.MountNamespace, Approximated, false, "the cell sees its root directory only; its mounts are in the host's list"},
	{specs.UTSNamespace, Approximated, false, "the cell sees the host's name"}, // with a path too: so do all others
	{specs.CgroupNamespace, Approximated, false, "NetBSD has no cgroups to hide"},
	{specs.TimeNamespace, Refused, false, "cells share the host's clocks"},
	{specs.UserNamespace, Refused, true, "cells do not map ids: root in the cell is root's id on the host; " +
		"remove the namespace and run the process under an id of its own (process.user.uid)"},
}

func (c *compiler) namespace(field string, v any) {
	ns := v.(specs.LinuxNamespace)
	n := namespace{field, ns.Type, ns.Path}
	for _, other := range c.namespaces {
		if other.typ == ns.Type {
			c.invalid(field+".type", quote(string(ns.Type)), "given before, by "+other.field)
			return
		}
	}
	c.namespaces = append(c.namespaces, n)
	if ns.Path != "" {
		c.plan.Namespaces = append(c.plan.Namespaces, Namespace{Field: field, Type: string(ns.Type), Path: ns.Path})
	}
	for _, k := range namespaceKinds {
		switch {
		case k.typ != ns.Type:
			continue
		case k.reason == "": // noted when all is known
		case ns.Path != "" && ns.Type != specs.UTSNamespace:
			c.fatal(field+".path", n.value(), "a cell can't join a namespace: it would not be isolated from this container as asked; "+
				"remove the path, or run the program with exec in the other container")
		default:
			c.note(Note{Field: field, Value: n.value(), Grade: k.grade, Reason: k.reason, Fatal: k.fatal})
		}
		return
	}
	c.invalid(field+".type", quote(string(ns.Type)), "not a namespace of Linux")
}

// namespaceOf finds an entry by type; nil when the configuration has none.
func (c *compiler) namespaceOf(t specs.LinuxNamespaceType) *namespace {
	for i := range c.namespaces {
		if c.namespaces[i].typ == t {
			return &c.namespaces[i]
		}
	}
	return nil
}

// settleNamespaces notes what the configuration wants to share with the host
// and can't: a cell is stricter.
func (c *compiler) settleNamespaces() {
	if len(c.namespaces) == 0 {
		return
	}
	if c.namespaceOf(specs.PIDNamespace) == nil {
		c.approximated("linux.namespaces", "no pid", "the host's processes stay invisible nevertheless: every cell sees its own only")
	}
}

// pids: -1 is no limit; 0 lets no process be added to the first.
func (c *compiler) pids(field string, v any) {
	limit := v.(specs.LinuxPids).Limit
	if limit == nil {
		c.exact(field, "", "no limit given")
		return
	}
	field += ".limit"
	value := strconv.FormatInt(*limit, 10)
	const counts = "counts processes; their threads are free"
	switch {
	case *limit < 0:
		c.exact(field, value, "no limit")
	case c.f.MaxProcesses.Level == kmod.Absent:
		c.refused(field, value, "this kernel interface does not count a cell's processes"+because(c.f.MaxProcesses.Reason)+
			"; RLIMIT_NPROC in process.rlimits limits a user's")
	default:
		c.want.pidsLimit = max(1, uint64(*limit))
		c.graded(field, value, c.f.MaxProcesses, counts)
	}
}

func (c *compiler) personality(field string, v any) {
	p := v.(specs.LinuxPersonality)
	value := quote(string(p.Domain))
	switch {
	case p.Domain == specs.PerLinux && len(p.Flags) == 0:
		c.exact(field, value, "")
	case p.Domain == specs.PerLinux || p.Domain == specs.PerLinux32:
		c.refused(field, value, "NetBSD has no personalities: programs see the machine as it is")
	default:
		c.invalid(field+".domain", value, "must be LINUX or LINUX32")
	}
}

func (c *compiler) rootfsPropagation(field string, v any) {
	value := v.(string)
	switch strings.TrimPrefix(value, "r") {
	case "private", "unbindable":
		c.exact(field, quote(value), "")
	case "slave", "shared":
		c.refused(field, quote(value), noPropagate)
	default:
		c.invalid(field, quote(value), "must be private, slave, shared or unbindable")
	}
}

func (c *compiler) hostname(field string, v any) {
	c.want.hostname = v.(string)
	c.approximated(field, quote(c.want.hostname), "NetBSD has one host name for all cells, which stays; "+
		"the variable HOSTNAME is set unless process.env has it")
}

func (c *compiler) domainname(field string, v any) {
	c.refused(field, quote(v.(string)), "NetBSD has one domain name for all cells, which stays")
}

// settleHostname tells the program its name the one way there is.
func (c *compiler) settleHostname() {
	name := c.want.hostname
	if name == "" {
		return
	}
	for _, e := range c.process.Env {
		if strings.HasPrefix(e, "HOSTNAME=") {
			return
		}
	}
	env := c.process.Env
	c.process.Env = append(env[:len(env):len(env)], fmt.Sprintf("HOSTNAME=%s", name))
}
