package hostroot

// What is mounted for a container on a system with one mount table for all
// (NetBSD), as plain data. hostroot.go carries it out.

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
)

// Flags of NetBSD's mount(2), sys/fstypes.h.
const (
	mntReadonly = 0x1
	mntNoExec   = 0x4
	mntNoSuid   = 0x8
	mntNoDev    = 0x10
	mntForce    = 0x80000
	mntRelAtime = 0x20000
	mntNoAtime  = 0x4000000

	// mntRestrictions are the flags that a null mount takes over from the
	// file system below it: the kernel looks at the uppermost mount only.
	mntRestrictions = mntReadonly | mntNoExec | mntNoSuid | mntNoDev
)

// File system types as mount(2) names them.
const (
	fsNull  = "null"
	fsTmpfs = "tmpfs"
	fsProc  = "procfs"
	fsPty   = "ptyfs"
)

const (
	ptsDir = "/dev/pts" // of the host, and of a container with terminals
	// ttyGroup and ttyMode are what mount_ptyfs(8) gives a slave by default.
	ttyGroup = 4
	ttyMode  = 0o620
)

// hostMount is one mount(2).
type hostMount struct {
	field     string // of the config, for errors
	kind      string
	dest      string // inside the root; absolute and clean
	source    string // null: a path of the host
	recursive bool   // null: with the mounts below source
	flags     int
	below     int // flags of those
	tmpfs     oci.Tmpfs
	gid, mode uint32 // ptyfs
}

// writable is the mount before it is made read-only.
func (m hostMount) writable() hostMount {
	m.flags &^= mntReadonly
	return m
}

// planMounts translates the Plan's mounts, in their order.
func planMounts(p *oci.Plan, bundle string) ([]hostMount, error) {
	var mounts []hostMount
	pty := ""
	for _, m := range p.Mounts {
		h := hostMount{field: m.Field, dest: path.Clean(m.Destination), flags: mountFlags(m.Flags)}
		switch m.Type {
		case oci.MountBind:
			h.kind, h.source, h.recursive, h.below = fsNull, m.Source, m.Recursive, mountFlags(m.Below)
			if !filepath.IsAbs(h.source) {
				h.source = bundle + "/" + h.source // ".." in it is the kernel's to resolve
			}
		case oci.MountTmpfs:
			h.kind, h.tmpfs = fsTmpfs, m.Tmpfs
		case oci.MountProc:
			h.kind = fsProc
		case oci.MountDevpts:
			if pty != "" {
				// Measured: with two of them the kernel gives names that
				// cannot be opened.
				return nil, fmt.Errorf("%s: a devpts mount is there already, on %s: remove one of the two", m.Field, pty)
			}
			h.kind, h.gid, h.mode = fsPty, ttyGroup, ttyMode
			pty = h.dest
			if m.Devpts.HasGID {
				h.gid = m.Devpts.GID
			}
			if m.Devpts.Mode != 0 {
				h.mode = m.Devpts.Mode
			}
		default:
			return nil, fmt.Errorf("%s: type %q is not known", m.Field, m.Type)
		}
		mounts = append(mounts, h)
	}
	if p.Process.Terminal && pty != ptsDir {
		return nil, fmt.Errorf("process.terminal needs a mount of type devpts on %s: add one to mounts", ptsDir)
	}
	return mounts, nil
}

// maskMount is what hides a directory: an empty one that stays empty.
func maskMount(dest string) hostMount {
	return hostMount{
		field: "linux.maskedPaths", kind: fsTmpfs, dest: dest, flags: mntRestrictions,
		tmpfs: oci.Tmpfs{Size: new(uint64(4096)), Inodes: new(uint64(4)), Mode: 0o755, HasMode: true},
	}
}

// rootMount is the root itself. The flags belong to the first mount: nullfs
// does not change them later.
func rootMount(r oci.Root, source string) hostMount {
	return hostMount{
		field: "root.path", kind: fsNull, dest: "/", source: source,
		flags: mountFlags(oci.MountFlags{Readonly: r.Readonly, NoSuid: r.NoSuid}),
	}
}

func mountFlags(m oci.MountFlags) int {
	flags := 0
	for _, f := range [...]struct {
		on   bool
		flag int
	}{
		{m.Readonly, mntReadonly},
		{m.NoExec, mntNoExec},
		{m.NoSuid, mntNoSuid},
		{m.NoDev, mntNoDev},
		{m.NoAtime, mntNoAtime},
		{m.RelAtime, mntRelAtime},
	} {
		if f.on {
			flags |= f.flag
		}
	}
	return flags
}

// covered tells whether a path inside the root will lie on one of mounts, so
// that making it below them would be in vain.
func covered(p string, mounts []hostMount) bool {
	for _, m := range mounts {
		if inroot.Within(path.Clean(p), m.dest) {
			return true
		}
	}
	return false
}

// hasHostPty tells whether a mount table has the host's own ptyfs. That is the
// one on the host's /dev/pts, and no other: any chroot may have one for itself.
// The kernel names mounts as the asking process would (getvfsstat(2)), so for
// a runcell inside of a chroot the host is that chroot.
func hasHostPty(table []mountEntry) bool {
	return slices.ContainsFunc(table, func(e mountEntry) bool { return e.kind == fsPty && e.on == ptsDir })
}

// submounts lists what a recursive bind mount of source brings along, as
// paths relative to it, in the order of the mount table. What lies in skip,
// the container's own directory, would contain itself.
func submounts(table []mountEntry, source, skip string) []string {
	var rel []string
	for _, e := range table {
		if e.on != source && inroot.Within(e.on, source) && !inroot.Within(e.on, skip) {
			rel = append(rel, strings.TrimPrefix(e.on[len(strings.TrimSuffix(source, "/")):], "/"))
		}
	}
	return rel
}

// ownMounts lists a container's mounts, the newest first: those on root
// and below it, and those recorded before they were made.
func ownMounts(table []mountEntry, root string, recorded []string) []mountEntry {
	known := map[string]bool{}
	for _, p := range recorded {
		known[p] = true
	}
	var own []mountEntry
	for i := len(table) - 1; i >= 0; i-- {
		if on := table[i].on; inroot.Within(on, root) || known[on] {
			own = append(own, table[i])
		}
	}
	return own
}

func mountPoints(mounts []mountEntry) []string {
	var points []string
	for _, m := range mounts {
		points = append(points, m.on)
	}
	return points
}
