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
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"github.com/netbsd-cells/runcell/runtime/internal/inroot"
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
	mode, dev, err := devices.Node(d)
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
