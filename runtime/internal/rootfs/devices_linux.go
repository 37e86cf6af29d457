package rootfs

// Device nodes and links of the container's /dev on the emulator's host.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

func (f *Root) makeDevices() error {
	for _, d := range f.plan.Devices {
		if d.Path == "/dev/ptmx" {
			continue // a link into the container's own devpts
		}
		if err := f.makeDevice(d); err != nil {
			return fmt.Errorf("make device %s %s: %w", d.Field, d.Path, err)
		}
	}
	return nil
}

// makeDevice makes a node, or takes one that is there and the same.
func (f *Root) makeDevice(d oci.Device) error {
	node, err := devices.Node(d)
	if err != nil {
		if d.Default && errors.Is(err, unix.ENOENT) {
			return nil // the host has no such device
		}
		return err
	}
	if err = f.Dir.MakeNode(d.Path, node); !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := f.bindDevice(d.Path, node.Dev); err != nil {
		return err
	}
	return f.Dir.CheckNode(d.Path, node)
}

// bindDevice stands in for mknod(2) in a user namespace: the host's node is
// mounted upon an empty file.
func (f *Root) bindDevice(path string, dev uint64) error {
	place, err := f.Dir.NewFile(path)
	if err != nil {
		return err
	}
	defer place.Close()
	mnt, err := hostNode(path, dev)
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	return place.Attach(mnt)
}

// makeLinks makes the usual links, and ptmx where there are terminals.
func (f *Root) makeLinks() error {
	links := devices.Links()
	for _, m := range f.plan.Mounts {
		if m.Type == oci.MountDevpts {
			links = devices.Links(devices.Link{Path: "/dev/ptmx", Target: "pts/ptmx"})
		}
	}
	for _, l := range links {
		if err := devices.MakeLink(f.Dir, l); err != nil {
			return fmt.Errorf("make link %s: %w", l.Path, err)
		}
	}
	return nil
}
