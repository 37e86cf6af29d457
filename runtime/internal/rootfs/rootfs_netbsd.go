package rootfs

// The container's root on NetBSD. The kernel's cell is made for a directory
// that is complete, so all is mounted in New; the child then enters the root by
// chroot(2), on the vnode that the cell was made for.

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/console"
	"github.com/netbsd-cells/runcell/runtime/internal/hostroot"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Root is a container's root while it is built.
type Root struct {
	Dir     *inroot.Dir // the root's null mount, open
	Builder Builder     // nil: the root stands before the child is forked

	o      Options
	plan   *oci.Plan
	ptm    int // the host's /dev/ptm, -1 = no terminal wanted
	master *process.Message
}

// New mounts and furnishes the whole root. There is nothing to pivot,
// so --no-pivot is what happens in any case.
func New(o Options) (_ *Root, err error) {
	if err := hostroot.CheckSecurelevel(); err != nil {
		return nil, err
	}
	kernel, err := hostroot.NewKernel()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(o.StateDir) //nolint:forbidigo // the state directory is ours alone
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	f := &Root{o: o, plan: o.Plan, ptm: -1}
	if o.Plan.Process.Terminal {
		if f.ptm, err = console.OpenPtm(); err != nil {
			return nil, err
		}
	}
	root := &hostroot.Root{
		Kernel: kernel, Plan: o.Plan, Bundle: o.Bundle, Source: o.Source, StateDir: dir, Record: o.Record,
	}
	err = root.Build()
	f.Dir = root.Dir
	if err != nil {
		return nil, errors.Join(err, f.Unmount())
	}
	return f, nil
}

// Close lets go of the root's descriptors.
func (f *Root) Close() {
	f.Dir.Close()
	sys.CloseFD(f.ptm)
	f.ptm = -1
}

// ReadySteps are the child's first, from step first on.
func (*Root) ReadySteps(l *process.Link, first int) ([]stage.Step, error) {
	return []stage.Step{l.SendStep("send ready", first, process.NewMessage(false))}, nil
}

// GoSteps wait for the parent and enter the finished root.
func (f *Root) GoSteps(l *process.Link, home *process.Home) []stage.Step {
	return append([]stage.Step{l.ReceiveStep("wait for the parent", process.NewGo(false, home))}, process.EnterSteps(f.Dir)...)
}

// TerminalSteps make the child's terminal, in the root and before the cell is
// entered: the kernel takes the ptyfs that lies below the caller's root.
func (f *Root) TerminalSteps() []stage.Step {
	f.master = process.NewMessage(true)
	return console.PtySteps(f.ptm, f.plan.Process.UID, f.master)
}

// CreatedStep tells the parent that only the exec can fail now, and hands it
// the terminal's master.
func (f *Root) CreatedStep(l *process.Link, index int) stage.Step {
	if f.master == nil {
		f.master = process.NewMessage(false)
	}
	return l.SendStep("send created", index, f.master)
}

// Terminal gives the terminal's master, which the child has sent (-1 = none),
// and its name in the container.
func (*Root) Terminal(received int) (master int, name string) {
	if received < 0 {
		return -1, ""
	}
	return received, console.SlaveName(received)
}

// joinedRoot is empty: any thread of the host sees the cell's root in its place.
const joinedRoot = ""

// unmountHost takes away what is recorded, and what the kernel has more.
var unmountHost = func(stateDir string, recorded []string, checked bool) error {
	dir, err := filepath.EvalSymlinks(stateDir) //nolint:forbidigo // the state directory is ours alone
	if errors.Is(err, unix.ENOENT) {
		return nil // nothing can be mounted below it
	}
	if err != nil {
		return fmt.Errorf("find state directory: %w", err)
	}
	kernel, err := hostroot.NewKernel()
	if err != nil {
		return err
	}
	root := filepath.Join(dir, hostroot.DirName) //nolint:forbidigo // the state directory is ours alone
	return hostroot.Unmount(kernel, root, recorded, checked)
}
