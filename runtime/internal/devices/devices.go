// Package devices says what a container's /dev has besides mounts: which node
// has which number and mode, and which links there are. It makes no node, mounts
// nothing, and acts on a container's root through kmod/inroot only.
package devices

import (
	"errors"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// kinds are the file types of the spec's device types (config-linux.md,
// "Devices").
var kinds = [...]struct {
	name string
	mode uint32
}{{"c", unix.S_IFCHR}, {"u", unix.S_IFCHR}, {"b", unix.S_IFBLK}, {"p", unix.S_IFIFO}}

func kindOf(name string) (mode uint32, err error) {
	for _, k := range kinds {
		if k.name == name {
			return k.mode, nil
		}
	}
	return 0, fmt.Errorf("type %q is not c, u, b or p", name)
}

// Node gives the node to make. Without a number in the Plan, number and mode
// are those of the host's node of the same path. The error wraps ENOENT if the
// host has none.
func Node(d oci.Device) (n inroot.Node, err error) {
	kind, err := kindOf(d.Type)
	if err != nil {
		return n, err
	}
	perm := uint32(0o666)
	switch {
	case kind == unix.S_IFIFO:
	case d.Major >= 0 && d.Minor >= 0:
		n.Dev = unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	default:
		var st unix.Stat_t
		if err := unix.Stat(d.Path, &st); err != nil {
			return n, fmt.Errorf("look at the host's node: %w", err)
		}
		if st.Mode&unix.S_IFMT != kind {
			return n, errors.New("the host's node has another type")
		}
		n.Dev, perm = st.Rdev, st.Mode&0o7777
	}
	if d.Mode != nil {
		perm = *d.Mode & 0o7777
	}
	n.Mode, n.UID, n.GID = kind|perm, orRoot(d.UID), orRoot(d.GID)
	return n, nil
}

// Listed gives the devices that the cell's policy opens, each once: two nodes may
// have one number. The error wraps ENOENT if the host has no such node.
func Listed(list []oci.Device) ([]kmod.Device, error) {
	var all []kmod.Device
	for _, d := range list {
		if !d.Listed {
			continue
		}
		n, err := Node(d)
		if err != nil {
			return nil, fmt.Errorf("list device %s %s: %w", d.Field, d.Path, err)
		}
		one := kmod.Device{Type: d.Type, Major: unix.Major(n.Dev), Minor: unix.Minor(n.Dev)}
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all, nil
}

// orRoot is an owner that may be left out.
func orRoot(id *uint32) uint32 {
	if id == nil {
		return 0
	}
	return *id
}

// Link is a symbolic link of a container's /dev.
type Link struct{ Path, Target string }

// Links gives the links that every container has (runtime-linux.md, "Dev
// symbolic links") and those of one system.
func Links(own ...Link) []Link {
	return append([]Link{
		{"/dev/fd", "/proc/self/fd"},
		{"/dev/stdin", "/proc/self/fd/0"},
		{"/dev/stdout", "/proc/self/fd/1"},
		{"/dev/stderr", "/proc/self/fd/2"},
	}, own...)
}

// MakeLink makes a link where nothing is yet. A directory that cannot be written
// is left as it is: links are a convenience.
func MakeLink(root *inroot.Dir, l Link) error {
	err := root.Symlink(l.Target, l.Path)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}
