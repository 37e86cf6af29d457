package rootfs

// Filesystems that the emulator makes in the root: tmpfs, devpts and masks.

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// option is a key and value of fsconfig(2).
type option struct{ key, value string }

// newFilesystem makes a detached mount of a new filesystem.
func newFilesystem(fstype string, attrs uintptr, options []option) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", fstype, err)
	}
	defer sys.CloseFD(fs)
	for _, o := range options {
		if err := unix.FsconfigSetString(fs, o.key, o.value); err != nil {
			return -1, fmt.Errorf("set %s option %s=%s: %w", fstype, o.key, o.value, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("make %s: %w", fstype, err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attrs))
	if err != nil {
		return -1, fmt.Errorf("mount %s: %w", fstype, err)
	}
	return mnt, nil
}

func (f *Root) tmpfs(m oci.Mount) error {
	dest, err := f.Dir.OpenDir(m.Destination, true)
	if err != nil {
		return err
	}
	defer dest.Close()
	options := tmpfsOptions(&m)
	if m.Tmpfs.CopyUp && !m.Tmpfs.HasMode {
		st, err := dest.Stat()
		if err != nil {
			return fmt.Errorf("look at the directory: %w", err)
		}
		options = append(options, option{"mode", strconv.FormatUint(uint64(st.Mode&0o7777), 8)})
	}
	attrs := mountAttrs(m.Flags)
	mnt, err := newFilesystem("tmpfs", attrs&^unix.MOUNT_ATTR_RDONLY, options)
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	if m.Tmpfs.CopyUp {
		if err := dest.CopyTo(mnt); err != nil {
			return fmt.Errorf("copy the directory's content: %w", err)
		}
	}
	if err := dest.Attach(mnt); err != nil {
		return err
	}
	if !m.Flags.Readonly {
		return nil
	}
	return f.freezeLater(mnt)
}

// freezeLater makes an attached mount read-only when all is in its place:
// later mounts and devices may have theirs in it.
func (f *Root) freezeLater(mnt int) error {
	fd, err := unix.FcntlInt(uintptr(mnt), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("keep mount: %w", err)
	}
	f.ro = append(f.ro, fd)
	return nil
}

// mountProc attaches the child's proc mount; where there are more, clones of
// it. An image in which the place is a link would have it elsewhere than
// programs and linux.maskedPaths look for it (CVE-2019-19921).
func (f *Root) mountProc(m oci.Mount, procFD int) (err error) {
	if f.procs++; f.procs > 1 {
		if procFD, err = sys.CloneMount(procFD); err != nil {
			return err
		}
		defer sys.CloseFD(procFD)
		if err := sys.ReplaceMountAttrs(procFD, mountAttrs(m.Flags)); err != nil {
			return err
		}
	}
	if err := f.Dir.CheckOrdinary(m.Destination); err != nil {
		return err
	}
	return f.attachDir(procFD, m.Destination)
}

// sourceName is what the mount table calls a filesystem that is on no device:
// the configuration's source, as far as fsconfig(2) takes it.
func sourceName(m *oci.Mount) string {
	if m.Source != "" && len(m.Source) < 256 {
		return m.Source
	}
	return string(m.Type)
}

func tmpfsOptions(m *oci.Mount) []option {
	t := m.Tmpfs
	options := []option{{"source", sourceName(m)}}
	add := func(on bool, key string, v uint64, base int) {
		if on {
			options = append(options, option{key, strconv.FormatUint(v, base)})
		}
	}
	if t.Size != nil {
		add(true, "size", *t.Size, 10)
	}
	if t.Inodes != nil {
		add(true, "nr_inodes", *t.Inodes, 10)
	}
	add(t.HasMode, "mode", uint64(t.Mode), 8)
	add(t.UID != 0, "uid", uint64(t.UID), 10)
	add(t.GID != 0, "gid", uint64(t.GID), 10)
	return options
}

// groupsSettable is process.GroupsSettable; a test has another.
var groupsSettable = process.GroupsSettable

func (f *Root) devpts(m oci.Mount) error {
	base := []option{{"source", sourceName(&m)}, {"ptmxmode", "0666"}}
	if m.Devpts.Mode != 0 {
		base = append(base, option{"mode", strconv.FormatUint(uint64(m.Devpts.Mode), 8)})
	}
	options := base
	if m.Devpts.HasGID {
		options = append(options, option{"gid", strconv.FormatUint(uint64(m.Devpts.GID), 10)})
	}
	mnt, err := newFilesystem("devpts", mountAttrs(m.Flags), options)
	if errors.Is(err, unix.EINVAL) && !groupsSettable() {
		// A user namespace that maps one id only: the group does not exist.
		mnt, err = newFilesystem("devpts", mountAttrs(m.Flags), base)
	}
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	return f.attachDir(mnt, m.Destination)
}

// maskPaths covers directories with one empty read-only tmpfs and files with
// the host's null device, which is looked at before it is used: the
// container's own /dev/null may be anything (CVE-2025-31133).
func (f *Root) maskPaths() error {
	empty := -1
	defer func() { sys.CloseFD(empty) }()
	for _, p := range f.plan.MaskedPaths {
		place, err := f.Dir.Find(p)
		if absent(err) {
			continue
		}
		if err == nil {
			err = f.mask(place, &empty)
			place.Close()
		}
		if err != nil {
			return fmt.Errorf("linux.maskedPaths %s: %w", p, err)
		}
	}
	return nil
}

func (f *Root) mask(place *inroot.Place, empty *int) error {
	if place.IsRoot() {
		return errWholeRoot
	}
	st, err := place.Stat()
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return attachEmpty(place, empty)
	}
	mnt, err := hostNode("/dev/null", unix.Mkdev(1, 3))
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	return place.Attach(mnt)
}

// attachEmpty attaches one empty filesystem that all masks share. It is made
// for the first one; the others get clones of that, for before Linux 6.15 only
// what is attached can be cloned.
func attachEmpty(place *inroot.Place, empty *int) error {
	if *empty < 0 {
		fd, err := newFilesystem("tmpfs", unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC,
			[]option{{"source", "tmpfs"}, {"size", "4096"}, {"mode", "755"}})
		if err != nil {
			return err
		}
		*empty = fd
		return place.Attach(fd)
	}
	mnt, err := sys.CloneMount(*empty)
	if err != nil {
		return err
	}
	defer sys.CloseFD(mnt)
	return place.Attach(mnt)
}

// cloneTree clones the mount of what a path leads to, detached. No exec hands it
// on.
func cloneTree(dir int, path string, flags uint) (int, error) {
	return unix.OpenTree(dir, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
}

// hostNode clones the mount of a host device, which must have this number.
func hostNode(path string, dev uint64) (int, error) {
	mnt, err := cloneTree(unix.AT_FDCWD, path, 0)
	if err != nil {
		return -1, fmt.Errorf("open host's %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(mnt, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != dev {
		sys.CloseFD(mnt)
		return -1, fmt.Errorf("host's %s is not the device %d:%d", path, unix.Major(dev), unix.Minor(dev))
	}
	return mnt, nil
}
