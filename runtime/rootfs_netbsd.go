package runtime

// The container's root on NetBSD. The kernel's cell is made for a directory
// that is complete, so all is mounted in newRootfs; the child then enters the
// root by chroot(2), on the vnode that the cell was made for.

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
	o      rootfsOptions
	plan   *oci.Plan
	dir    rootDir // the root's null mount, open
	ptm    int     // the host's /dev/ptm, -1 = no terminal wanted
	master *message
}

// newRootfs mounts and furnishes the whole root. There is nothing to pivot,
// so --no-pivot is what happens in any case.
func newRootfs(o rootfsOptions) (_ *rootfs, err error) {
	if err := checkSecurelevel(); err != nil {
		return nil, err
	}
	kernel, err := newKernel()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(o.stateDir) //nolint:forbidigo // the state directory is ours alone
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	f := &rootfs{o: o, plan: o.plan, dir: rootDir{-1}, ptm: -1}
	if o.plan.Process.Terminal {
		if f.ptm, err = openPtm(); err != nil {
			return nil, err
		}
	}
	root := &hostRoot{
		kernel: kernel, plan: o.plan, bundle: o.bundle, source: o.source, stateDir: dir, record: o.record, dir: rootDir{-1},
	}
	err = root.build()
	f.dir = root.dir
	if err != nil {
		return nil, errors.Join(err, f.unmount())
	}
	return f, nil
}

func (f *rootfs) close() {
	f.dir.close()
	closeFD(f.ptm)
	f.dir.fd, f.ptm = -1, -1
}

// unmount closes the root first: an open directory keeps a mount busy.
func (f *rootfs) unmount() error {
	f.close()
	return unmountRootfs(f.o.stateDir, f.o.recorded())
}

// attach, populate, protect and pivot have nothing left to do.
func (*rootfs) attach() error { return nil }

func (*rootfs) populate(int) error { return nil }

func (*rootfs) protect() error { return nil }

func (*rootfs) pivot() error { return nil }

// readySteps are the child's first.
func (*rootfs) readySteps(l *link, first int) ([]stage.Step, error) {
	return []stage.Step{l.sendStep("send ready", first, newMessage(false))}, nil
}

// goSteps wait for the parent and enter the finished root.
func (f *rootfs) goSteps(l *link) []stage.Step {
	return append([]stage.Step{l.receiveStep("wait for the parent", newMessage(false))}, enterSteps(f.dir)...)
}

// terminalSteps make the child's terminal, in the root and before the cell is
// entered: the kernel takes the ptyfs that lies below the caller's root.
func (f *rootfs) terminalSteps() []stage.Step {
	f.master = newMessage(true)
	return ptySteps(f.ptm, f.plan.Process.UID, f.master)
}

// createdStep tells the parent that only the exec can fail now, and hands it
// the terminal's master.
func (f *rootfs) createdStep(l *link, index int) stage.Step {
	if f.master == nil {
		f.master = newMessage(false)
	}
	return l.sendStep("send created", index, f.master)
}

// openTerminal has nothing to do: the child makes the terminal.
func (*rootfs) openTerminal() (slave int, err error) { return -1, nil }

// takeTerminal gives the terminal's master, which the child has sent.
func (*rootfs) takeTerminal(received int) (master int) { return received }

// terminalName is what the caller is told.
func (*rootfs) terminalName(master int) string { return slaveName(master) }

// cellRootPath is the root that the kernel is told of: the null mount, which
// is the first mount of all.
func cellRootPath(_ string, mounts []string) string {
	if len(mounts) == 0 {
		return ""
	}
	return mounts[0]
}

// cellRoot is the cell's root as any thread of the host sees it.
func cellRoot(source string, mounts []string) string { return cellRootPath(source, mounts) }

// unmountRootfs unmounts whatever is left of the container's mounts. It trusts
// the kernel's table more than the record, which may be lost.
func unmountRootfs(stateDir string, recorded []string) error {
	dir, err := filepath.EvalSymlinks(stateDir) //nolint:forbidigo // the state directory is ours alone
	if errors.Is(err, unix.ENOENT) {
		return nil // nothing can be mounted below it
	}
	if err != nil {
		return fmt.Errorf("find state directory: %w", err)
	}
	kernel, err := newKernel()
	if err != nil {
		return err
	}
	root := filepath.Join(dir, rootDirName) //nolint:forbidigo // the state directory is ours alone
	return unmountHostRoot(kernel, root, recorded)
}
