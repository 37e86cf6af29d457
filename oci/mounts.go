package oci

// mounts, root and the paths that are hidden or read-only.

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// mountKinds is every type that a configuration may ask for. A type that is
// not in it is refused: the container would run without its data.
var mountKinds = [...]struct {
	name string
	kind MountType
	// skip leaves the mount out with this reason: Linux's kernel file
	// systems, which tools ask for always and nobody on NetBSD reads.
	skip string
	// ordinary has its destination looked at all the same: an image that has a
	// link there wants something else hidden or shown than the caller does.
	ordinary bool
	// fatal refuses it with this reason.
	fatal string
}{
	{name: "bind", kind: MountBind},
	{name: "null", kind: MountBind},
	{name: "tmpfs", kind: MountTmpfs},
	{name: "proc", kind: MountProc},
	{name: "procfs", kind: MountProc},
	{name: "devpts", kind: MountDevpts},
	{name: "ptyfs", kind: MountDevpts},
	{name: "sysfs", skip: "NetBSD has no sysfs; not mounted", ordinary: true},
	{name: "cgroup", skip: "NetBSD has no cgroups; not mounted"},
	{name: "cgroup2", skip: "NetBSD has no cgroups; not mounted"},
	{name: "mqueue", skip: "NetBSD's message queues have no file system; not mounted"},
	{name: "union", fatal: "union mounts lose writes on NetBSD; use a copy of the root, or a read-only root with tmpfs mounts"},
	{name: "overlay", fatal: "NetBSD has no copy-on-write mounts that hold; use a copy of the root, or a read-only root with tmpfs mounts"},
}

const knownKinds = "bind (null), tmpfs, proc (procfs), devpts (ptyfs)"

func (c *compiler) mount(field string, v any) {
	m := v.(specs.Mount)
	out := Mount{Field: field, Source: m.Source}
	before := len(c.plan.Notes)
	out.Destination = c.destination(field+".destination", m.Destination)
	if len(m.UIDMappings) > 0 {
		c.fatal(field+".uidMappings", plural(len(m.UIDMappings), "entry", "entries"), noMountMappings)
	}
	if len(m.GIDMappings) > 0 {
		c.fatal(field+".gidMappings", plural(len(m.GIDMappings), "entry", "entries"), noMountMappings)
	}
	bind := hasOption(m.Options, "bind") || hasOption(m.Options, "rbind")
	if bind {
		out.Type = MountBind
	} else if !c.mountType(&out, m.Type) {
		return
	}
	c.options(&out, m.Options)
	if out.Type == MountBind && m.Source == "" {
		c.invalid(field+".source", "", "missing; a bind mount needs a directory or file of the host")
	}
	if fatalError(c.plan.Notes[before:]) != nil {
		return
	}
	c.plan.Mounts = append(c.plan.Mounts, out)
	if out.Type == MountBind && !c.emulated() && !strings.HasSuffix(m.Source, "/") {
		c.approximated(field, out.String(), "a directory is mounted; a file is copied, so later changes do not show on the other side "+
			"(end the source with \"/\" if it is a directory)")
		return
	}
	c.exact(field, out.String(), "")
}

const noMountMappings = "NetBSD's mounts do not map ids: files would have owners that the mapping changes; remove the mappings"

// mountType finds the kind of a mount that is no bind mount. It is false when
// the mount is left out.
func (c *compiler) mountType(m *Mount, name string) bool {
	if name == "" {
		c.invalid(m.Field+".type", "", "missing; use one of "+knownKinds+", or the option bind")
		return false
	}
	for _, k := range mountKinds {
		switch {
		case k.name != name:
			continue
		case k.skip != "":
			c.refused(m.Field, name+" on "+quote(m.Destination), k.skip)
			if k.ordinary {
				c.plan.OrdinaryDirs = append(c.plan.OrdinaryDirs, m.Destination)
			}
			return false
		case k.fatal != "":
			c.fatal(m.Field+".type", quote(name), k.fatal)
			return false
		}
		m.Type = k.kind
		return true
	}
	c.fatal(m.Field+".type", quote(name), "can't be mounted in a cell; use one of "+knownKinds)
	return false
}

// destination checks a path inside the container and gives its clean form.
func (c *compiler) destination(field, dest string) string {
	switch problem := insidePath(dest); {
	case problem != "":
		c.invalid(field, quote(dest), problem)
	case path.Clean(dest) == "/":
		c.invalid(field, quote(dest), "the root itself; set root.path instead")
	}
	return path.Clean(dest)
}

// insidePath says what is wrong with a path inside the container; empty when
// nothing is.
func insidePath(p string) string {
	if !path.IsAbs(p) {
		return "must be an absolute path inside the container"
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return "must not contain \"..\""
		}
	}
	return ""
}

// String describes a mount in a line: "tmpfs on /tmp (nosuid,size=64k)".
func (m Mount) String() string {
	var b strings.Builder
	b.WriteString(string(m.Type))
	if m.Type == MountBind {
		b.WriteByte(' ')
		b.WriteString(quote(m.Source))
	}
	b.WriteString(" on ")
	b.WriteString(quote(m.Destination))
	if o := m.optionWords(); len(o) > 0 {
		b.WriteString(" (" + strings.Join(o, ",") + ")")
	}
	return b.String()
}

// optionWords lists what is set, as mount(8) would write it.
func (m Mount) optionWords() []string {
	var words []string
	add := func(on bool, word string) {
		if on {
			words = append(words, word)
		}
	}
	f, t, d := m.Flags, m.Tmpfs, m.Devpts
	add(f.Readonly, "ro")
	add(f.NoSuid, "nosuid")
	add(f.NoDev, "nodev")
	add(f.NoExec, "noexec")
	add(f.NoAtime, "noatime")
	add(f.RelAtime, "relatime")
	add(f.StrictAtime, "strictatime")
	add(m.Recursive, "recursive")
	if m.Recursive {
		for _, word := range (Mount{Flags: m.Below}).optionWords() {
			add(true, "r"+word)
		}
	}
	addLimit := func(name string, limit *uint64) {
		if limit != nil {
			add(true, fmt.Sprintf("%s=%d", name, *limit))
		}
	}
	addLimit("size", t.Size)
	addLimit("nr_inodes", t.Inodes)
	add(t.HasMode, fmt.Sprintf("mode=%o", t.Mode))
	add(t.UID > 0, fmt.Sprintf("uid=%d", t.UID))
	add(t.GID > 0, fmt.Sprintf("gid=%d", t.GID))
	add(t.CopyUp, "tmpcopyup")
	add(d.Mode > 0, fmt.Sprintf("mode=%o", d.Mode))
	add(d.HasGID, fmt.Sprintf("gid=%d", d.GID))
	return words
}

func (c *compiler) rootPath(field string, v any) {
	c.plan.Root.Path = v.(string)
	c.exact(field, quote(c.plan.Root.Path), "")
}

func (c *compiler) rootReadonly(field string, _ any) {
	c.plan.Root.Readonly = true
	c.exact(field, "true", "")
}

func (c *compiler) maskedPaths(field string, v any) {
	c.plan.MaskedPaths = c.insidePaths(field, v.([]string),
		"a directory is covered by an empty read-only one; a file that exists cannot be covered on NetBSD and stops create; what does not exist is left out")
}

func (c *compiler) readonlyPaths(field string, v any) {
	c.plan.ReadonlyPaths = c.insidePaths(field, v.([]string),
		"a directory is mounted read-only onto itself; a file that exists cannot be on NetBSD and stops create; what does not exist is left out")
}

const wholeRoot = "the root itself; use root.readonly to make it read-only"

// insidePaths checks a list of paths inside the container and gives their
// clean forms; reason says what NetBSD makes of them.
func (c *compiler) insidePaths(field string, paths []string, reason string) []string {
	list, bad := make([]string, 0, len(paths)), false
	for i, p := range paths {
		if problem := insidePath(p); problem != "" {
			c.invalid(fmt.Sprintf("%s[%d]", field, i), quote(p), problem)
			bad = true
			continue
		}
		clean := path.Clean(p)
		if clean == "/" {
			c.invalid(fmt.Sprintf("%s[%d]", field, i), quote(p), wholeRoot)
			bad = true
			continue
		}
		if !slices.Contains(list, clean) { // once is enough
			list = append(list, clean)
		}
	}
	switch value := plural(len(paths), "path", "paths"); {
	case bad:
	case c.emulated():
		c.exact(field, value, "")
	default:
		c.approximated(field, value, reason)
	}
	return list
}
