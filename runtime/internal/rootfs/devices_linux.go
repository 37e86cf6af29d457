package rootfs

// Device nodes and links of the container's /dev on the emulator's host.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"github.com/netbsd-cells/runcell/runtime/internal/inroot"
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
	mode, dev, err := devices.Node(d)
	if err != nil {
		if d.Default && errors.Is(err, unix.ENOENT) {
			return nil // the host has no such device
		}
		return err
	}
	return f.Dir.InParent(d.Path, func(dirfd int, name string) error {
		err := unix.Mknodat(dirfd, name, mode, int(dev))
		switch {
		case errors.Is(err, unix.EPERM):
			err = f.bindDevice(dirfd, name, d.Path, dev)
		case err == nil:
			err = inroot.SetDeviceOwner(dirfd, name, d)
		case errors.Is(err, unix.EEXIST):
			err = nil
		}
		if err != nil {
			return err
		}
		return inroot.CheckDevice(dirfd, name, mode, dev)
	})
}

// bindDevice stands in for mknod(2) in a user namespace: the host's node is
// mounted upon an empty file.
func (f *Root) bindDevice(dirfd int, name, path string, dev uint64) error {
	fd, err := unix.Openat(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer sys.CloseFD(fd)
	mnt, err := hostNode(path, dev)
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	return sys.AttachMount(mnt, fd)
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
		if err := f.Dir.MakeLink(l.Target, l.Path); err != nil {
			return fmt.Errorf("make link %s: %w", l.Path, err)
		}
	}
	return nil
}
