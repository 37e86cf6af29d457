package hostroot

// Files in a root that stands on a system without file mounts (NetBSD): the
// devices, the links of /dev, and private copies of files.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/inroot"
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

// linkAt makes a link where nothing is yet. A directory that cannot be
// written is left as it is: the links are a convenience.
func linkAt(r inroot.Dir, target, p string) error {
	err := r.InParent(p, func(dirfd int, name string) error {
		return unix.Symlinkat(target, dirfd, name)
	})
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
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
	return r.Dir.InParent(d.Path, func(dirfd int, name string) error {
		var st unix.Stat_t
		err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			if err := r.Kernel.mknod(dirfd, name, mode, dev); err != nil {
				return err
			}
			err = inroot.SetDeviceOwner(dirfd, name, d)
		}
		if err != nil {
			return err
		}
		return inroot.CheckDevice(dirfd, name, mode, dev)
	})
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
// flags take permissions from. A file that already has the content stays, so
// that a read-only root can be prepared beforehand.
func copyIn(r inroot.Dir, m hostMount) error {
	in, err := os.Open(m.source) //nolint:forbidigo // the host's own path
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer func() { _ = in.Close() }()
	_, err = r.Final(m.dest, true, func(dirfd int, name string) (int, error) {
		if same, err := sameContent(dirfd, name, in); same || err != nil {
			return 0, err
		}
		return 0, replaceFile(dirfd, name, in, m.flags)
	})
	if err != nil {
		return fmt.Errorf("copy %s: %w", m.source, err)
	}
	return nil
}

// sameContent compares a file with in. Where nothing is, nothing is the same;
// where another kind of file is, it is not ours to replace.
func sameContent(dirfd int, name string, in *os.File) (bool, error) {
	var st, want unix.Stat_t
	err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, errors.New("the destination is there and is not a plain file")
	}
	if err := unix.Fstat(int(in.Fd()), &want); err != nil || st.Size != want.Size {
		return false, err
	}
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	return equal(f, io.NewSectionReader(in, 0, want.Size))
}

func equal(a, b io.Reader) (bool, error) {
	p, q := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, err := io.ReadFull(a, p)
		m, err2 := io.ReadFull(b, q)
		switch {
		case err != nil && !ended(err):
			return false, err
		case err2 != nil && !ended(err2):
			return false, err2
		case !bytes.Equal(p[:n], q[:m]):
			return false, nil
		case err != nil:
			return true, nil
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// replaceFile writes a copy beside name and renames it.
func replaceFile(dirfd int, name string, in *os.File, flags int) (err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &st); err != nil {
		return err
	}
	tmp := ".runcell.new"
	if err := unix.Unlinkat(dirfd, tmp, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	fd, err := unix.Openat(dirfd, tmp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), tmp)
	defer func() {
		if err != nil {
			_ = unix.Unlinkat(dirfd, tmp, 0)
		}
	}()
	_, err = io.Copy(out, io.NewSectionReader(in, 0, st.Size))
	if err == nil {
		err = unix.Fchown(fd, int(st.Uid), int(st.Gid))
	}
	if err == nil {
		err = unix.Fchmod(fd, copyMode(st.Mode, flags))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return unix.Renameat(dirfd, tmp, dirfd, name)
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
