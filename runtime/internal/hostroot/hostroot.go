// Package hostroot builds a container's root on a system with one mount table
// for all (NetBSD). Everything is mounted on the host before the cell exists,
// below a null mount of the root in the state directory, and each mount point
// is recorded before it is used, so that a create that was killed can be
// cleaned up.
//
// mount(2) takes a path, and what lies in the root is not to be trusted. So a
// destination is first walked inside the root to a path free of links; after
// the mount it is walked again, and must then lie on the new mount.
//
// What the kernel does is behind Kernel, so that all of it is tested on Linux
// as well. It never unmounts by force what a process may have open, but for
// terminals, and never touches a mount that is not the container's.
package hostroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/devices"
	"golang.org/x/sys/unix"
)

// DirName is the root's mount point in the container's state directory.
const DirName = "rootfs"

// Kernel is what the kernel does for a root, see NewKernel.
type Kernel interface {
	mount(m hostMount, path string) error
	// unmount takes the mount away; with force also from under open files.
	unmount(path string, force bool) error
	// table lists all mounts, oldest first.
	table() ([]mountEntry, error)
	// syncer tells what the kernel's thread that looks at all mounts every second takes
	// of a processor, in percent.
	syncer() (int, error)
	// walk looks at all mounts, and tells their number and what time of a processor it
	// took.
	walk() (int, time.Duration, error)
	// mountOf gives the mount that a place lies on.
	mountOf(p *inroot.Place) (mountEntry, error)
}

// Root is a root while it is built.
type Root struct {
	Kernel   Kernel
	Plan     *oci.Plan
	Bundle   string                  // absolute
	Source   string                  // the root filesystem on the host
	StateDir string                  // the container's, without links
	Record   func(path string) error // called before a path is mounted on
	Dir      *inroot.Dir             // set by Build: the root, open

	path   string // where the root is mounted
	mounts []hostMount
}

// Build mounts and furnishes the root. What it mounted before an error is for
// Unmount, and Dir, which may be open then, for the caller to close.
func (r *Root) Build() (err error) {
	if r.mounts, err = planMounts(r.Plan, r.Bundle); err != nil {
		return err
	}
	r.path = filepath.Join(r.StateDir, DirName) //nolint:forbidigo // the state directory is ours alone
	if len(r.path) > kmod.MaxRoot {
		return fmt.Errorf("the cell's root %s has %d bytes, and the kernel takes %d: use a shorter --root or container id",
			r.path, len(r.path), kmod.MaxRoot)
	}
	if err := checkCrowd(r.Kernel); err != nil {
		return err
	}
	if err := os.Mkdir(r.path, 0o700); err != nil { //nolint:forbidigo // the state directory is ours alone
		return fmt.Errorf("make the root's mount point: %w", err)
	}
	root := rootMount(r.Plan.Root, r.Source)
	if r.Plan.Root.Readonly {
		if err := r.prepare(root); err != nil {
			return err
		}
	}
	if err := r.mountRoot(root); err != nil {
		return err
	}
	if err := r.furnish(); err != nil {
		return err
	}
	return r.protect()
}

// hostPath is where a path inside the root, which the walker found free of
// links, is for mount(2).
func (r *Root) hostPath(plain string) string {
	return filepath.Join(r.path, plain) //nolint:forbidigo // mount(2) takes no descriptor; mountOn checks the outcome
}

// mountRoot mounts the root and opens it.
func (r *Root) mountRoot(m hostMount) (err error) {
	if m.flags, err = r.inherit(m); err != nil {
		return fmt.Errorf("mount root %s: %w", m.source, err)
	}
	if err := r.Record(r.path); err != nil {
		return err
	}
	if err := r.Kernel.mount(m, r.path); err != nil {
		return fmt.Errorf("mount root %s on %s: %w", m.source, r.path, err)
	}
	if r.Dir, err = inroot.Open(r.path); err != nil {
		return err
	}
	place, err := r.Dir.OpenDir("/", false)
	if err != nil {
		return err
	}
	defer place.Close()
	return r.verify(m, place, r.path)
}

// prepare makes what a read-only root lacks: mount points, devices, links. It
// goes through a writable mount, as the final one cannot change its mind.
func (r *Root) prepare(root hostMount) error {
	root.flags &^= mntReadonly
	if err := r.mountRoot(root); err != nil {
		return err
	}
	for i, m := range r.mounts {
		if covered(m.dest, r.mounts[:i]) {
			continue
		}
		if err := r.makePlace(m); err != nil {
			return fmt.Errorf("prepare %s (%s): %w", m.field, m.dest, err)
		}
	}
	if err := r.makeContents(r.mounts); err != nil {
		return err
	}
	r.Dir.Close()
	return unmountPoint(r.Kernel, mountEntry{kind: fsNull, on: r.path}, unmountPatience)
}

// makePlace makes a mount's destination.
func (r *Root) makePlace(m hostMount) error {
	if m.kind == fsNull {
		file, err := bindFile(&m)
		if err != nil {
			return err
		}
		if file {
			return copyIn(r.Dir, m)
		}
	}
	return r.Dir.MakeDir(m.dest)
}

// furnish mounts and makes everything in the root.
func (r *Root) furnish() error {
	for i, m := range r.mounts {
		if err := r.place(m, r.mounts[i+1:]); err != nil {
			return fmt.Errorf("mount %s (%s on %s): %w", m.field, m.kind, m.dest, err)
		}
	}
	for _, p := range r.Plan.OrdinaryDirs {
		if err := r.Dir.CheckOrdinary(p); err != nil {
			return fmt.Errorf("mounts: %w", err)
		}
	}
	return r.makeContents(nil)
}

// makeContents makes devices, links and the working directory, except on
// mounts that are still to come.
func (r *Root) makeContents(later []hostMount) error {
	for _, d := range r.nodes() {
		if covered(d.Path, later) {
			continue
		}
		if err := r.makeDevice(d); err != nil {
			return fmt.Errorf("make device %s %s: %w", d.Field, d.Path, err)
		}
	}
	for _, l := range r.links() {
		if covered(l.Path, later) {
			continue
		}
		if err := devices.MakeLink(r.Dir, l); err != nil {
			return fmt.Errorf("make link %s: %w", l.Path, err)
		}
	}
	cwd := r.Plan.Process.Cwd
	if covered(cwd, later) {
		return nil
	}
	if err := r.Dir.MakeDir(cwd); err != nil {
		return fmt.Errorf("process.cwd: %w", err)
	}
	return nil
}

// place carries out one mount of the Plan, before those that come later.
func (r *Root) place(m hostMount, later []hostMount) error {
	if m.kind != fsNull {
		return r.mountAt(m, later)
	}
	file, err := bindFile(&m)
	if err != nil {
		return err
	}
	if file {
		return copyIn(r.Dir, m)
	}
	var below []string
	if m.recursive {
		table, err := r.Kernel.table()
		if err != nil {
			return err
		}
		below = submounts(table, m.source, r.StateDir)
	}
	if err := r.mountAt(m, nil); err != nil {
		return err
	}
	for _, rel := range below {
		s := m
		s.flags = m.below
		s.source, s.dest = path.Join(m.source, rel), path.Join(m.dest, rel) // names of the mount table
		if err := r.mountAt(s, nil); err != nil {
			return fmt.Errorf("with %s below it: %w", s.source, err)
		}
	}
	return nil
}

// bindFile resolves the source of a bind mount, which belongs to the host and
// is trusted, and tells whether it is a plain file.
func bindFile(m *hostMount) (file bool, err error) {
	if m.source, err = filepath.EvalSymlinks(m.source); err != nil { //nolint:forbidigo // the host's own path
		return false, fmt.Errorf("source: %w", err)
	}
	fi, err := os.Stat(m.source) //nolint:forbidigo // the host's own path
	switch {
	case err != nil:
		return false, fmt.Errorf("source: %w", err)
	case fi.IsDir():
		return false, nil
	case fi.Mode().IsRegular():
		return true, nil
	}
	return false, fmt.Errorf("source %s is neither a directory nor a plain file, and NetBSD mounts directories only: "+
		"mount the directory that it lies in, or list a device in netbsd.devices", m.source)
}

// mountAt mounts on a directory inside the root, which is made if need be.
// What later mounts need in it is made, if it is read-only afterwards.
func (r *Root) mountAt(m hostMount, later []hostMount) (err error) {
	if m.kind == fsProc {
		if err := r.Dir.CheckOrdinary(m.dest); err != nil {
			return err
		}
	}
	place, err := r.Dir.OpenDir(m.dest, true)
	if m.kind == fsNull && errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("the source %s is a directory, and %s in the root is a file or lies below one: %w", m.source, m.dest, err)
	}
	if err != nil {
		return err
	}
	defer place.Close()
	path := r.hostPath(place.Path())
	if len(path) > maxMountPath {
		return fmt.Errorf("the mount point %s has %d bytes, and the kernel takes %d", path, len(path), maxMountPath)
	}
	if m.kind == fsPty {
		if err := r.checkHostPty(); err != nil {
			return err
		}
	}
	if m.flags, err = r.inherit(m); err != nil {
		return err
	}
	switch frozen := m.kind == fsTmpfs && m.flags&mntReadonly != 0; {
	case m.tmpfs.CopyUp:
		if err := r.mountCopy(m, place, path); err != nil || !frozen {
			return err
		}
		return r.freeze(m, path, later)
	case frozen && r.needed(m, later):
		place.Close()
		if err := r.mountOn(m.writable(), path); err != nil {
			return err
		}
		return r.freeze(m, path, later)
	}
	// An open directory would keep the mount point busy for nobody's good.
	place.Close()
	return r.mountOn(m, path)
}

// mountOn mounts on a plain path and makes sure that the mount came to lie
// where the path led to before.
func (r *Root) mountOn(m hostMount, path string) error {
	if err := r.Record(path); err != nil {
		return err
	}
	if err := r.Kernel.mount(m, path); err != nil {
		return err
	}
	place, err := r.Dir.OpenDir(m.dest, false)
	if err == nil {
		if r.hostPath(place.Path()) != path {
			err = fmt.Errorf("%s leads to %s now", m.dest, place.Path())
		} else {
			err = r.verify(m, place, path)
		}
		place.Close()
	}
	if err != nil {
		err = fmt.Errorf("check mount point: %w", err)
		return errors.Join(err, unmountPoint(r.Kernel, mountEntry{kind: m.kind, on: path}, unmountPatience))
	}
	return nil
}

// verify compares the mount that an open directory lies on with the one that
// was just made.
func (r *Root) verify(m hostMount, place *inroot.Place, path string) error {
	e, err := r.Kernel.mountOf(place)
	if err != nil {
		return err
	}
	if e.on != path || e.kind != m.kind {
		return fmt.Errorf("%s lies on a %s mounted on %s, not on the new %s: something moved it meanwhile", path, e.kind, e.on, m.kind)
	}
	if missing := m.flags & mntRestrictions &^ e.flags; missing != 0 {
		return fmt.Errorf("%s was mounted without the flags %#x", path, missing)
	}
	return nil
}

// inherit adds the restrictions of the file system that a null mount shows:
// the kernel would not apply them through it.
func (r *Root) inherit(m hostMount) (int, error) {
	if m.kind != fsNull {
		return m.flags, nil
	}
	place, err := inroot.OpenPlace(m.source)
	if err != nil {
		return 0, fmt.Errorf("open source %s: %w", m.source, err)
	}
	defer place.Close()
	e, err := r.Kernel.mountOf(place)
	if err != nil {
		return 0, fmt.Errorf("look at source %s: %w", m.source, err)
	}
	return m.flags | e.flags&mntRestrictions, nil
}

// checkHostPty refuses to mount the machine's first ptyfs for a container: the
// kernel would use it for the host's terminals as well.
func (r *Root) checkHostPty() error {
	if e, there, err := mountAt(r.Kernel, ptsDir); err == nil && there && e.kind == fsPty {
		return nil
	}
	table, err := r.Kernel.table() // it may be covered
	if err != nil {
		return err
	}
	if hasHostPty(table) {
		return nil
	}
	return errors.New("the host has no ptyfs of its own on " + ptsDir + ", so its terminals would appear in the container: " +
		"run `mount -t ptyfs ptyfs " + ptsDir + "` on the host first (and add it to /etc/fstab)")
}

// needed tells whether something is to be made in a mount.
func (r *Root) needed(m hostMount, later []hostMount) bool {
	inside := func(p string) bool { return p != m.dest && inroot.Within(path.Clean(p), m.dest) }
	return slices.ContainsFunc(later, func(l hostMount) bool { return inside(l.dest) }) ||
		slices.ContainsFunc(r.nodes(), func(d oci.Device) bool { return inside(d.Path) }) ||
		slices.ContainsFunc(r.links(), func(l devices.Link) bool { return inside(l.Path) }) ||
		inside(r.Plan.Process.Cwd)
}

// freeze makes what is needed in a tmpfs that is writable so far, and covers it
// by a null mount of itself that is read-only: a tmpfs made read-only afterwards
// keeps pages that kernels with DIAGNOSTIC panic over when it is unmounted.
func (r *Root) freeze(m hostMount, on string, later []hostMount) error {
	for i, l := range later {
		if !inroot.Within(l.dest, m.dest) || covered(l.dest, later[:i]) {
			continue
		}
		if err := r.makePlace(l); err != nil {
			return fmt.Errorf("prepare %s (%s): %w", l.field, l.dest, err)
		}
	}
	if r.needed(m, nil) {
		if err := r.makeContents(later); err != nil {
			return err
		}
	}
	cover := hostMount{field: m.field, kind: fsNull, source: on, dest: m.dest, flags: m.flags}
	if err := r.mountOn(cover, on); err != nil {
		return fmt.Errorf("make read-only: %w", err)
	}
	return nil
}

// mountCopy mounts a tmpfs that keeps what is in the directory (tmpcopyup),
// writable.
func (r *Root) mountCopy(m hostMount, place *inroot.Place, path string) error {
	st, err := place.Stat()
	if err != nil {
		return fmt.Errorf("look at the directory: %w", err)
	}
	if !m.tmpfs.HasMode {
		m.tmpfs.Mode, m.tmpfs.HasMode = st.Mode&0o7777, true
	}
	src, err := openSame(path, &st)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	// Listed before it is mounted upon: afterwards "." of that directory would
	// lead to the new mount, and some NetBSD kernels deadlock over it.
	entries, err := fs.ReadDir(src.FS(), ".")
	if err != nil {
		return fmt.Errorf("list the directory: %w", err)
	}
	if err := r.mountOn(m.writable(), path); err != nil {
		return err
	}
	if err := r.fill(src, entries, m.dest, path); err != nil {
		return fmt.Errorf("copy the directory's content: %w", err)
	}
	return nil
}

// fill copies into the fresh mount, found again by way of the root.
func (r *Root) fill(src *os.Root, entries []fs.DirEntry, dest, path string) error {
	place, err := r.Dir.OpenDir(dest, false)
	if err != nil {
		return err
	}
	defer place.Close()
	st, err := place.Stat()
	if err != nil {
		return err
	}
	dst, err := openSame(path, &st)
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }()
	return inroot.CopyEntries(src, dst, ".", entries)
}

// openSame opens a directory by its path, if it is the one that st is about.
func openSame(path string, st *unix.Stat_t) (*os.Root, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	fi, err := root.Stat(".")
	if err == nil {
		if s, ok := fi.Sys().(*syscall.Stat_t); ok && s.Dev == st.Dev && s.Ino == st.Ino {
			return root, nil
		}
		err = fmt.Errorf("%s leads elsewhere now", path)
	}
	return nil, errors.Join(err, root.Close())
}

// protect hides and freezes what the config says. Only directories can be
// mounted upon, so a file that is there and should be hidden is an error.
func (r *Root) protect() error {
	for _, p := range r.Plan.MaskedPaths {
		err := r.protectDir(maskMount(p), "hidden: hide its directory, or remove the file from the root filesystem")
		if err != nil {
			return fmt.Errorf("linux.maskedPaths %s: %w", p, err)
		}
	}
	for _, p := range r.Plan.ReadonlyPaths {
		m := hostMount{field: "linux.readonlyPaths", kind: fsNull, dest: p, flags: mntReadonly}
		if err := r.protectDir(m, "made read-only: name its directory, or take away its write permission"); err != nil {
			return fmt.Errorf("linux.readonlyPaths %s: %w", p, err)
		}
	}
	return nil
}

func (r *Root) protectDir(m hostMount, wayOut string) error {
	st, err := r.Dir.Stat(m.dest)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("NetBSD mounts on directories only, so a single file can't be %s", wayOut)
	}
	if m.kind == fsNull { // onto itself
		place, err := r.Dir.OpenDir(m.dest, false)
		if err != nil {
			return err
		}
		place.Close()
		m.source = r.hostPath(place.Path())
	}
	return r.mountAt(m, nil)
}
