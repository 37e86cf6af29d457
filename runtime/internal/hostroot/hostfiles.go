package hostroot

// Files in a root that stands on a system without file mounts (NetBSD): the
// devices, the links of /dev, and private copies of files.

import (
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// hostLinks are the links that runtime-linux.md asks for. A terminal cannot
// be mounted on /dev/console, so that is the process's own terminal.
var hostLinks = [...]struct {
	path, target string
	terminal     bool // only with process.terminal
}{
	{path: "/dev/fd", target: "/proc/self/fd"},
	{path: "/dev/stdin", target: "/proc/self/fd/0"},
	{path: "/dev/stdout", target: "/proc/self/fd/1"},
	{path: "/dev/stderr", target: "/proc/self/fd/2"},
	{path: "/dev/console", target: "tty", terminal: true},
}

// devices are the Plan's, and /dev/ptm where there are terminals: openpty(3)
// of NetBSD opens it.
func (r *Root) devices() []oci.Device {
	devices := r.Plan.Devices[:len(r.Plan.Devices):len(r.Plan.Devices)]
	for _, m := range r.mounts {
		if m.kind == fsPty {
			mode := uint32(0o666)
			devices = append(devices, oci.Device{Field: "default", Path: "/dev/ptm", Default: true, Type: "c", Mode: &mode})
		}
	}
	return devices
}

// makeDevice makes a node, or takes one that is there and the same.
func (r *Root) makeDevice(d oci.Device) error {
	mode, dev, err := hostDevice(d)
	if err != nil {
		if d.Default && errors.Is(err, unix.ENOENT) {
			return nil // the host has no such device
		}
		return err
	}
	return r.Dir.MakeNode(d.Path, inroot.Node{Mode: mode, Dev: dev, UID: orRoot(d.UID), GID: orRoot(d.GID)})
}

// orRoot is an owner that may be left out.
func orRoot(id *uint32) uint32 {
	if id == nil {
		return 0
	}
	return *id
}

// hostDevice gives a node's type, mode and number. The number is that of the
// host's node of the same path, as NetBSD's ports number devices differently.
func hostDevice(d oci.Device) (mode uint32, dev uint64, err error) {
	perm := uint32(0o666)
	switch d.Type {
	case "c":
		mode = unix.S_IFCHR
	case "b":
		mode = unix.S_IFBLK
	case "p":
		mode = unix.S_IFIFO
	default:
		return 0, 0, fmt.Errorf("type %q is not c, b or p", d.Type)
	}
	if d.Type != "p" {
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
