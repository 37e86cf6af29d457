package hostroot

// Files in a root that stands on a system without file mounts (NetBSD): the
// devices, the links of /dev, and private copies of files.

import (
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"golang.org/x/sys/unix"
)

// links are the usual ones. A terminal cannot be mounted on /dev/console, so
// that is the process's own terminal.
func (r *Root) links() []devices.Link {
	if r.Plan.Process.Terminal {
		return devices.Links(devices.Link{Path: "/dev/console", Target: "tty"})
	}
	return devices.Links()
}

// nodes are the Plan's, and /dev/ptm where there are terminals: openpty(3) of
// NetBSD opens it.
func (r *Root) nodes() []oci.Device {
	nodes := r.Plan.Devices[:len(r.Plan.Devices):len(r.Plan.Devices)]
	for _, m := range r.mounts {
		if m.kind == fsPty {
			mode := uint32(0o666)
			nodes = append(nodes, oci.Device{Field: "default", Path: "/dev/ptm", Default: true, Type: "c", Mode: &mode})
		}
	}
	return nodes
}

// makeDevice makes a node, or takes one that is there and the same. Its number
// is always the host's: NetBSD's ports number devices differently.
func (r *Root) makeDevice(d oci.Device) error {
	d.Major, d.Minor = -1, -1
	node, err := devices.Node(d)
	if err != nil {
		if d.Default && errors.Is(err, unix.ENOENT) {
			return nil // the host has no such device
		}
		return err
	}
	return r.Dir.MakeNode(d.Path, node)
}

// copyIn stands in for the bind mount of a file: a private copy, which the
// flags take permissions from.
func copyIn(r *inroot.Dir, m hostMount) error {
	in, err := os.Open(m.source) //nolint:forbidigo // the host's own path
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer func() { _ = in.Close() }()
	fi, err := in.Stat()
	if err == nil {
		err = r.CopyFile(m.dest, in, copyMode(uint32(fi.Mode().Perm()), m.flags))
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", m.source, err)
	}
	return nil
}

// copyMode is a copy's mode: what read-only and noexec would forbid is not
// permitted, and no copy is set-id.
func copyMode(mode uint32, flags int) uint32 {
	mode &= 0o777
	if flags&mntReadonly != 0 {
		mode &^= 0o222
	}
	if flags&mntNoExec != 0 {
		mode &^= 0o111
	}
	return mode
}
