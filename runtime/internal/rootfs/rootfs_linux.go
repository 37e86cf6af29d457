package rootfs

// The container's root on the emulator's host: built by the parent's thread
// in the cell's private mount namespace, while the child waits. Every mount is
// made detached and attached to a directory that was opened inside the root,
// so no path is looked up twice and none is looked up by the kernel as a whole.

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Root is a container's root while it is built.
type Root struct {
	Dir     *inroot.Dir // the root's own mount, open
	Builder Builder     // the root itself: all is done around the child

	o     Options
	plan  *oci.Plan
	proc  *process.Message
	slave *process.Message
	term  *console.Terminal // nil = none, or it is the caller's
	procs int               // how many of the Plan's proc mounts are there
	ro    []int             // mounts that become read-only at the end
}

// unmountHost is nil: the mounts ended with the last process in their namespace.
var unmountHost func(stateDir string, recorded []string, checked bool) error

// joinedRoot: the cell's mount namespace has no other root.
const joinedRoot = "/"

// New resolves the root. Nothing is mounted yet: the cell's mount
// namespace does not exist.
func New(o Options) (*Root, error) {
	f := &Root{o: o, plan: o.Plan}
	f.Builder = f
	return f, nil
}

// Close lets go of the root's descriptors.
func (f *Root) Close() {
	f.Dir.Close()
	for _, mnt := range f.ro {
		sys.CloseFD(mnt)
	}
	f.ro = nil
	if f.term != nil {
		f.term.Close()
	}
	f.term = nil
}

// Attach is of Builder.
func (f *Root) Attach() (err error) {
	f.Dir, err = inroot.OpenMount(f.o.Source)
	return err
}

// ReadySteps are the child's first, from step first on: a proc mount shows the pid namespace of
// the process that makes it, so the child makes it and sends it over.
func (f *Root) ReadySteps(l *process.Link, first int) ([]stage.Step, error) {
	var proc *oci.Mount
	if i := slices.IndexFunc(f.plan.Mounts, func(m oci.Mount) bool { return m.Type == oci.MountProc }); i >= 0 {
		proc = &f.plan.Mounts[i]
	}
	f.proc = process.NewMessage(proc != nil)
	var steps []stage.Step
	if proc != nil {
		var err error
		if steps, err = f.procSteps(proc); err != nil {
			return nil, err
		}
	}
	steps = append(steps, l.SendStep("send ready", first+len(steps), f.proc))
	if proc != nil {
		steps = append(steps, f.dropProcSteps()...)
	}
	return steps, nil
}

// procSteps make the proc mount, whose descriptor goes into the message.
func (f *Root) procSteps(m *oci.Mount) ([]stage.Step, error) {
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
	mount.Store, mount.Keep = f.proc.FdAddr(), []any{f.proc}
	return []stage.Step{open, name, create, mount}, nil
}

// dropProcSteps let go of what made the proc mount.
func (f *Root) dropProcSteps() []stage.Step {
	filesystem := stage.Sys("close proc filesystem", unix.SYS_CLOSE, 1)
	filesystem.From[0] = stage.Reg
	mount := stage.Sys("close proc mount", unix.SYS_CLOSE, f.proc.FdAddr())
	mount.From[0], mount.Keep = stage.Load32, []any{f.proc}
	return []stage.Step{filesystem, mount}
}

// GoSteps wait for the parent and enter the finished root.
func (f *Root) GoSteps(l *process.Link, home *process.Home) []stage.Step {
	f.slave = process.NewGo(f.plan.Process.Terminal, home)
	root, err := stage.Path("change root", unix.SYS_CHROOT, ".")
	if err != nil {
		panic(err) // "." has no NUL
	}
	return []stage.Step{
		l.ReceiveStep("wait for the parent", f.slave),
		f.Dir.ChdirStep("enter root"),
		root,
		f.Dir.CloseStep("let go of the root"),
	}
}

// TerminalSteps make the received slave the child's terminal.
func (f *Root) TerminalSteps() []stage.Step {
	return console.SlaveSteps(f.slave.FdAddr(), f.slave)
}

// CreatedStep tells the parent that only the exec can fail now.
func (f *Root) CreatedStep(l *process.Link, index int) stage.Step {
	return l.SendStep("send created", index, process.NewMessage(false))
}

// Populate is of Builder.
func (f *Root) Populate(procFD int) error {
	defer sys.CloseFD(procFD)
	old := unix.Umask(0)
	defer unix.Umask(old)
	for _, m := range f.plan.Mounts {
		if err := f.mount(m, procFD); err != nil {
			return fmt.Errorf("mount %s (%s on %s): %w", m.Field, m.Type, m.Destination, err)
		}
	}
	for _, p := range f.plan.OrdinaryDirs {
		if err := f.Dir.CheckOrdinary(p); err != nil {
			return fmt.Errorf("mounts: %w", err)
		}
	}
	if err := f.makeDevices(); err != nil {
		return err
	}
	if err := f.makeLinks(); err != nil {
		return err
	}
	if cwd := f.plan.Process.Cwd; cwd != "/" {
		if err := f.Dir.MakeDir(cwd); err != nil {
			return fmt.Errorf("process.cwd: %w", err)
		}
	}
	return nil
}

// Finish is of Builder.
func (f *Root) Finish() (slave int, err error) {
	slave = -1
	if f.plan.Process.Terminal {
		if slave, err = f.openTerminal(); err != nil {
			return -1, err
		}
	}
	if err := f.protect(); err != nil {
		return -1, err
	}
	return slave, f.pivot()
}

// protect hides and freezes what the config says, the root last.
func (f *Root) protect() error {
	if err := f.maskPaths(); err != nil {
		return err
	}
	for _, p := range f.plan.ReadonlyPaths {
		if err := f.freeze(p); err != nil {
			return fmt.Errorf("linux.readonlyPaths %s: %w", p, err)
		}
	}
	for _, mnt := range f.ro {
		if err := sys.SetMountAttrs(mnt, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	if !f.plan.Root.Readonly {
		return nil
	}
	if err := f.Dir.SetReadonly(); err != nil {
		return fmt.Errorf("make root read-only: %w", err)
	}
	return nil
}

// pivot makes the root the namespace's "/" and drops everything else. The
// child's own root directory moves along (pivot_root(2)).
func (f *Root) pivot() error {
	if err := f.Dir.Chdir(); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	if f.o.NoPivot {
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
func (f *Root) moveRoot() error {
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
		{m.StrictAtime && !m.NoAtime, unix.MOUNT_ATTR_STRICTATIME},
	} {
		if f.on {
			a |= f.attr
		}
	}
	return a
}

// mount attaches one mount of the Plan.
func (f *Root) mount(m oci.Mount, procFD int) error {
	switch m.Type {
	case oci.MountBind:
		return f.bind(m)
	case oci.MountProc:
		return f.mountProc(m, procFD)
	case oci.MountTmpfs:
		return f.tmpfs(m)
	case oci.MountDevpts:
		return f.devpts(m)
	}
	return fmt.Errorf("type %q is not known", m.Type)
}

// attachDir moves a detached mount onto a directory inside the root.
func (f *Root) attachDir(mnt int, dest string) error {
	place, err := f.Dir.OpenDir(dest, true)
	if err != nil {
		return err
	}
	defer place.Close()
	return place.Attach(mnt)
}

func (f *Root) bind(m oci.Mount) error {
	source := m.Source
	if !filepath.IsAbs(source) {
		source = f.o.Bundle + "/" + source // ".." in it is the kernel's to resolve
	}
	flags := uint(0)
	if m.Recursive {
		flags = unix.AT_RECURSIVE
	}
	mnt, err := cloneTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return fmt.Errorf("open source %s: %w", m.Source, err)
	}
	defer sys.CloseFD(mnt)
	if m.Recursive {
		if err := sys.SetTreeAttrs(mnt, mountAttrs(m.Below)); err != nil {
			return err
		}
	}
	if err := sys.SetMountAttrs(mnt, mountAttrs(m.Flags)); err != nil {
		return err
	}
	dest, err := f.bindTarget(mnt, &m)
	if err != nil {
		return err
	}
	defer dest.Close()
	return dest.Attach(mnt)
}

// bindTarget opens the place for a bind mount, of the source's kind.
func (f *Root) bindTarget(mnt int, m *oci.Mount) (*inroot.Place, error) {
	var st unix.Stat_t
	if err := unix.Fstat(mnt, &st); err != nil {
		return nil, fmt.Errorf("look at source: %w", err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		place, err := f.Dir.OpenDir(m.Destination, true)
		if errors.Is(err, unix.ENOTDIR) {
			return nil, fmt.Errorf("the source %s is a directory, and %s in the root is a file or lies below one: %w", m.Source, m.Destination, err)
		}
		return place, err
	}
	place, err := f.Dir.MakeFile(m.Destination)
	if err != nil {
		return nil, err
	}
	if there, err := place.Stat(); err != nil || there.Mode&unix.S_IFMT == unix.S_IFDIR {
		place.Close()
		return nil, errors.Join(err, fmt.Errorf("the source %s is a file, and %s in the root is a directory: "+
			"name the file that it is to be there", m.Source, m.Destination))
	}
	return place, nil
}

// freeze makes a path read-only by a mount of it upon itself.
func (f *Root) freeze(p string) error {
	place, err := f.Dir.Find(p)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer place.Close()
	if place.IsRoot() {
		return errWholeRoot
	}
	return place.Freeze()
}

// errWholeRoot is of a path that is to be hidden or frozen and leads to the
// root itself: nothing would come of a mount upon it.
var errWholeRoot = errors.New("it leads to the root itself; use root.readonly to make it read-only")

// absent tells whether a path does not exist in this root.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// openTerminal makes the container's terminal and gives the slave.
func (f *Root) openTerminal() (slave int, err error) {
	if f.term, err = console.Open(f.Dir, f.plan.Process.UID); err != nil {
		return -1, err
	}
	return f.term.Slave, f.bindConsole(f.term.Slave)
}

// Terminal gives the terminal's master, and its name in the container, once
// the child has the slave. The master is the caller's from then on. received is
// what the child has sent: nothing.
func (f *Root) Terminal(received int) (master int, name string) {
	if f.term == nil {
		return received, ""
	}
	term := f.term
	f.term = nil
	sys.CloseFD(term.Slave)
	return term.Master, term.Name
}

// bindConsole shows the terminal as /dev/console as well.
func (f *Root) bindConsole(slave int) error {
	dest, err := f.Dir.MakeFile("/dev/console")
	if err != nil {
		return fmt.Errorf("make /dev/console: %w", err)
	}
	defer dest.Close()
	mnt, err := cloneTree(slave, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("clone terminal for /dev/console: %w", err)
	}
	defer sys.CloseFD(mnt)
	if err := dest.Attach(mnt); err != nil {
		return fmt.Errorf("mount /dev/console: %w", err)
	}
	return nil
}
