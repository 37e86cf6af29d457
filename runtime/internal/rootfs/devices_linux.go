package rootfs

// Device nodes and links of the container's /dev on the emulator's host.

import (
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
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
	node := inroot.Node{Mode: mode, Dev: dev, UID: orRoot(d.UID), GID: orRoot(d.GID)}
	if err = f.Dir.MakeNode(d.Path, node); !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := f.bindDevice(d.Path, dev); err != nil {
		return err
	}
	return f.Dir.CheckNode(d.Path, node)
}

// orRoot is an owner that may be left out.
func orRoot(id *uint32) uint32 {
	if id == nil {
		return 0
	}
	return *id
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
		err := f.Dir.Symlink(l.target, l.path)
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("make link %s: %w", l.path, err)
		}
	}
	return nil
}
