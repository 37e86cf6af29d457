package runtime

// The container's root on NetBSD. The kernel's cell is made for a directory
// that is complete, so all is mounted in newRootfs; the child then enters the
// root by chroot(2), on the vnode that the cell was made for.

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// rootfs is a container's root while it is built.
type rootfs struct {
	c      *container
	plan   *oci.Plan
	dir    rootDir // the root's null mount, open
	ptm    int     // the host's /dev/ptm, -1 = no terminal wanted
	master *message
}

// newRootfs mounts and furnishes the whole root. There is nothing to pivot,
// so --no-pivot is what happens in any case.
func newRootfs(c *container, p *oci.Plan, bundle, path string, _ bool) (_ *rootfs, err error) {
	if err := checkSecurelevel(); err != nil {
		return nil, err
	}
	kernel, err := newKernel()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(c.dir) //nolint:forbidigo // the state directory is ours alone
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	f := &rootfs{c: c, plan: p, dir: rootDir{-1}, ptm: -1}
	if p.Process.Terminal {
		if f.ptm, err = openPtm(); err != nil {
			return nil, err
		}
	}
	root := &hostRoot{
		kernel: kernel, plan: p, bundle: bundle, source: path, stateDir: dir, record: c.recordMount, dir: rootDir{-1},
	}
	err = root.build()
	f.dir = root.dir
	if err != nil {
		return nil, errors.Join(err, f.unmount())
	}
	return f, nil
}

// recordMount notes a mount point before it is mounted on.
func (c *container) recordMount(path string) error {
	if slices.Contains(c.Mounts, path) {
		return nil
	}
	c.Mounts = append(c.Mounts, path)
	return c.save()
}

func (f *rootfs) close() {
	f.dir.close()
	closeFD(f.ptm)
	f.dir.fd, f.ptm = -1, -1
}

// unmount closes the root first: an open directory keeps a mount busy.
func (f *rootfs) unmount() error {
	f.close()
	return f.c.unmountRoot()
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
func (*launch) openTerminal() (slave int, err error) { return -1, nil }

// cellRootPath is the root that the kernel is told of: the null mount, which
// is the first mount of all.
func (c *container) cellRootPath() string {
	if len(c.Mounts) == 0 {
		return ""
	}
	return c.Mounts[0]
}

// unmountRoot unmounts whatever is left of the container's mounts. It trusts
// the kernel's table more than the record, which may be lost.
func (c *container) unmountRoot() error {
	dir, err := filepath.EvalSymlinks(c.dir) //nolint:forbidigo // the state directory is ours alone
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
	return unmountHostRoot(kernel, root, c.Mounts)
}

// terminalName is what the caller is told.
func (l *launch) terminalName() string { return slaveName(l.master) }
