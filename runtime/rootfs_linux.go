package runtime

// The container's root on the emulator's host: built by the parent's thread
// in the cell's private mount namespace, while the child waits. Every mount is
// made detached and attached to a directory that was opened inside the root,
// so no path is looked up twice and none is looked up by the kernel as a whole.

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// rootfs is a container's root while it is built.
type rootfs struct {
	plan   *oci.Plan
	bundle string
	path   string  // the root on the host, no links in it
	dir    rootDir // the root's own mount, open
	proc   *message
	slave  *message
	pivots bool
	term   *terminal
}

// newRootfs resolves the root. Nothing is mounted yet: the cell's mount
// namespace does not exist.
func newRootfs(o rootfsOptions) (*rootfs, error) {
	return &rootfs{plan: o.plan, bundle: o.bundle, path: o.source, dir: rootDir{-1}, pivots: !o.noPivot}, nil
}

// unmount has nothing to do: the mounts end with the namespace.
func (f *rootfs) unmount() error { return nil }

func (f *rootfs) close() { f.dir.close() }

// attach makes the root a mount of its own in the thread's namespace.
func (f *rootfs) attach() error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, f.path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("clone root %s: %w", f.path, err)
	}
	f.dir = rootDir{fd}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, f.path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount root %s: %w", f.path, err)
	}
	return nil
}

// readySteps are the child's first: a proc mount shows the pid namespace of
// the process that makes it, so the child makes it and sends it over.
func (f *rootfs) readySteps(l *link, first int) ([]stage.Step, error) {
	var proc *oci.Mount
	for i := range f.plan.Mounts {
		if f.plan.Mounts[i].Type == oci.MountProc {
			proc = &f.plan.Mounts[i]
		}
	}
	f.proc = newMessage(proc != nil)
	var steps []stage.Step
	if proc != nil {
		var err error
		if steps, err = f.procSteps(proc); err != nil {
			return nil, err
		}
	}
	return append(steps, l.sendStep("send ready", first+len(steps), f.proc)), nil
}

// procSteps make the proc mount, whose descriptor goes into the message.
func (f *rootfs) procSteps(m *oci.Mount) ([]stage.Step, error) {
	open, err := stage.Path("open proc filesystem", unix.SYS_FSOPEN, "proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	open.Save = 1
	name, err := stage.Option("name proc filesystem", 1, "source", sourceName(m))
	if err != nil {
		return nil, err
	}
	create := stage.Sys("configure proc filesystem", unix.SYS_FSCONFIG, 1, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	create.From[0] = stage.Reg
	mount := stage.Sys("make proc mount", unix.SYS_FSMOUNT, 1, unix.FSMOUNT_CLOEXEC, mountAttrs(m.Flags))
	mount.From[0] = stage.Reg
	mount.Store, mount.Keep = f.proc.fdAddr(), []any{f.proc}
	return []stage.Step{open, name, create, mount}, nil
}

// goSteps wait for the parent and enter the finished root.
func (f *rootfs) goSteps(l *link) []stage.Step {
	f.slave = newMessage(f.plan.Process.Terminal)
	root, err := stage.Path("change root", unix.SYS_CHROOT, ".")
	if err != nil {
		panic(err) // "." has no NUL
	}
	return []stage.Step{
		l.receiveStep("wait for the parent", f.slave),
		stage.Sys("enter root", unix.SYS_FCHDIR, uintptr(f.dir.fd)),
		root,
	}
}

// terminalSteps make the received slave the child's terminal.
func (f *rootfs) terminalSteps() []stage.Step {
	return slaveSteps(f.slave.fdAddr(), f.slave)
}

// createdStep tells the parent that only the exec can fail now.
func (f *rootfs) createdStep(l *link, index int) stage.Step {
	return l.sendStep("send created", index, newMessage(false))
}

// populate mounts and makes everything in the root. procFD is the child's
// proc mount, -1 when the Plan has none.
func (f *rootfs) populate(procFD int) error {
	defer closeFD(procFD)
	old := unix.Umask(0)
	defer unix.Umask(old)
	for _, m := range f.plan.Mounts {
		if err := f.mount(m, procFD); err != nil {
			return fmt.Errorf("mount %s (%s on %s): %w", m.Field, m.Type, m.Destination, err)
		}
	}
	if err := f.makeDevices(); err != nil {
		return err
	}
	if err := f.makeLinks(); err != nil {
		return err
	}
	if cwd := f.plan.Process.Cwd; cwd != "/" {
		fd, err := f.dir.openDirAt(cwd, true)
		if err != nil {
			return fmt.Errorf("process.cwd: %w", err)
		}
		closeFD(fd)
	}
	return nil
}

// protect hides and freezes what the config says, the root last.
func (f *rootfs) protect() error {
	if err := f.maskPaths(); err != nil {
		return err
	}
	for _, p := range f.plan.ReadonlyPaths {
		if err := f.freeze(p); err != nil {
			return fmt.Errorf("linux.readonlyPaths %s: %w", p, err)
		}
	}
	if !f.plan.Root.Readonly {
		return nil
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(f.dir.fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return fmt.Errorf("make root read-only: %w", err)
	}
	return nil
}

// pivot makes the root the namespace's "/" and drops everything else. The
// child's own root directory moves along (pivot_root(2)).
func (f *rootfs) pivot() error {
	if err := unix.Fchdir(f.dir.fd); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	if !f.pivots {
		return f.moveRoot()
	}
	// New and old root stack up on ".", so no directory is needed for the old.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot into root: %w (on a ramdisk root, use --no-pivot)", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the host's root: %w", err)
	}
	return unix.Chdir("/") // of this thread alone: Entry.Thread has unshared it
}

// moveRoot is --no-pivot: the root moves over "/"; the host's stays below it.
func (f *rootfs) moveRoot() error {
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	return unix.Chdir("/") // of this thread alone: Entry.Thread has unshared it
}

// mountAttrs translates flags to mount_setattr(2)'s.
func mountAttrs(m oci.MountFlags) uintptr {
	var a uintptr
	for _, f := range [...]struct {
		on   bool
		attr uintptr
	}{
		{m.Readonly, unix.MOUNT_ATTR_RDONLY},
		{m.NoSuid, unix.MOUNT_ATTR_NOSUID},
		{m.NoDev, unix.MOUNT_ATTR_NODEV},
		{m.NoExec, unix.MOUNT_ATTR_NOEXEC},
		{m.NoAtime, unix.MOUNT_ATTR_NOATIME},
	} {
		if f.on {
			a |= f.attr
		}
	}
	return a
}

// mount attaches one mount of the Plan.
func (f *rootfs) mount(m oci.Mount, procFD int) error {
	switch m.Type {
	case oci.MountBind:
		return f.bind(m)
	case oci.MountProc:
		return f.attachDir(procFD, m.Destination)
	case oci.MountTmpfs:
		return f.tmpfs(m)
	case oci.MountDevpts:
		return f.devpts(m)
	}
	return fmt.Errorf("type %q is not known", m.Type)
}

// attachDir moves a detached mount onto a directory inside the root.
func (f *rootfs) attachDir(mnt int, dest string) error {
	dirfd, err := f.dir.openDirAt(dest, true)
	if err != nil {
		return err
	}
	defer closeFD(dirfd)
	return attachTo(mnt, dirfd)
}

func (f *rootfs) bind(m oci.Mount) error {
	source := m.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(f.bundle, source) //nolint:forbidigo // the host's own path
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if m.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	mnt, err := unix.OpenTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return fmt.Errorf("open source %s: %w", source, err)
	}
	defer closeFD(mnt)
	if err := setAttrs(mnt, mountAttrs(m.Flags)); err != nil {
		return err
	}
	dest, err := f.bindTarget(mnt, m.Destination)
	if err != nil {
		return err
	}
	defer closeFD(dest)
	return attachTo(mnt, dest)
}

// bindTarget opens the place for a bind mount, of the source's kind.
func (f *rootfs) bindTarget(mnt int, dest string) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(mnt, &st); err != nil {
		return -1, fmt.Errorf("look at source: %w", err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return f.dir.openDirAt(dest, true)
	}
	return f.dir.makeFileAt(dest, unix.O_PATH)
}

// freeze makes a path read-only by a mount of it upon itself.
func (f *rootfs) freeze(p string) error {
	fd, err := f.dir.openAt(p, unix.O_PATH, 0)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFD(fd)
	mnt, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("clone mount: %w", err)
	}
	defer closeFD(mnt)
	if err := setAttrs(mnt, unix.MOUNT_ATTR_RDONLY); err != nil {
		return err
	}
	return attachTo(mnt, fd)
}

// absent tells whether a path does not exist in this root.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// cellRootPath is the root that the kernel is told of.
func cellRootPath(source string, _ []string) string { return source }

// unmountRootfs has nothing to do: the mounts ended with the last process.
func unmountRootfs(string, []string) error { return nil }

// cellRoot is the cell's root as a thread sees it that has joined the cell's
// mount namespace.
func cellRoot(string, []string) string { return "/" }

// openTerminal makes the container's terminal and gives the slave.
func (f *rootfs) openTerminal() (slave int, err error) {
	if f.term, err = openTerminal(f.dir, f.plan.Process.UID); err != nil {
		return -1, err
	}
	if err := f.bindConsole(f.term.slave); err != nil {
		f.term.close()
		return -1, err
	}
	return f.term.slave, nil
}

// takeTerminal gives the terminal's master once the child has the slave.
func (f *rootfs) takeTerminal(received int) (master int) {
	if f.term == nil {
		return received
	}
	closeFD(f.term.slave)
	return f.term.master
}

// terminalName is what the caller is told.
func (f *rootfs) terminalName(int) string { return f.term.name }

// bindConsole shows the terminal as /dev/console as well.
func (f *rootfs) bindConsole(slave int) error {
	dest, err := f.dir.makeFileAt("/dev/console", unix.O_PATH)
	if err != nil {
		return fmt.Errorf("make /dev/console: %w", err)
	}
	defer closeFD(dest)
	mnt, err := unix.OpenTree(slave, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("clone terminal for /dev/console: %w", err)
	}
	defer closeFD(mnt)
	if err := attachTo(mnt, dest); err != nil {
		return fmt.Errorf("mount /dev/console: %w", err)
	}
	return nil
}
