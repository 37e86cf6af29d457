package rootfs

// Device nodes and links of the container's /dev on the emulator's host.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/inroot"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// devLinks are the links that runtime-linux.md asks for, ptmx besides.
var devLinks = [...]struct{ path, target string }{
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
	{"/dev/ptmx", "pts/ptmx"},
}

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
	mode, dev, err := deviceNumber(d)
	if err != nil {
		if d.Default {
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

// deviceNumber gives a node's type, mode and number: from the config, or
// from the host's node of the same path.
func deviceNumber(d oci.Device) (mode uint32, dev uint64, err error) {
	types := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}
	mode, ok := types[d.Type]
	if !ok {
		return 0, 0, fmt.Errorf("type %q is not c, u, b or p", d.Type)
	}
	perm := uint32(0o666)
	if d.Major >= 0 && d.Minor >= 0 {
		dev = unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	} else if d.Type != "p" {
		var st unix.Stat_t
		if err := unix.Stat(d.Path, &st); err != nil {
			return 0, 0, fmt.Errorf("look at the host's node: %w", err)
		}
		if st.Mode&unix.S_IFMT != mode {
			return 0, 0, errors.New("the host's node has another type")
		}
		dev, perm = st.Rdev, st.Mode&0o7777
	}
	if d.Mode != nil {
		perm = *d.Mode & 0o7777
	}
	return mode | perm, dev, nil
}

// makeLinks makes the usual links where nothing is there yet.
func (f *Root) makeLinks() error {
	hasPts := false
	for _, m := range f.plan.Mounts {
		hasPts = hasPts || m.Type == oci.MountDevpts
	}
	for _, l := range devLinks {
		if l.path == "/dev/ptmx" && !hasPts {
			continue
		}
		err := f.Dir.InParent(l.path, func(dirfd int, name string) error {
			return unix.Symlinkat(l.target, dirfd, name)
		})
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("make link %s: %w", l.path, err)
		}
	}
	return nil
}
