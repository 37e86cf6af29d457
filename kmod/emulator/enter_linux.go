package emulator

// How a child becomes a member: namespaces for the first one, the first one's
// namespaces for those that follow.

import (
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// namespaces are those that the first process is born in. The mount namespace
// is made a moment earlier, by its parent's thread. As NetBSD has no network
// namespaces, a cell with a network is in the host's; one without gets an empty
// one, since on Linux local sockets with abstract names (unix(7)) belong to it
// and to no directory: the cell would reach the host's.
func (x *cell) namespaces() uintptr {
	const all = unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if x.Spec.Network == kmod.NetworkNone {
		return all | unix.CLONE_NEWNET
	}
	return all
}

// Enter tells how a child becomes a member. A cell that had a first process
// cannot be entered when it has ended, as its namespaces ended with it.
func (c *Client) Enter(id kmod.ID) (kmod.Entry, error) {
	x, err := c.lookup(id)
	if err != nil {
		return kmod.Entry{}, fmt.Errorf("enter: %w", err)
	}
	var e entry
	if err := e.prepare(x); err != nil {
		e.close()
		return kmod.Entry{}, fmt.Errorf("enter cell %d: %w", id, err)
	}
	return kmod.Entry{
		Thread: e.thread, Fork: stage.Fork{Flags: e.flags, Cgroup: e.cgroup},
		Steps: e.steps, Seal: e.seal, Lower: e.lower, Birth: e.birth, Close: e.close,
	}, nil
}

// entry holds what one child's entry needs until it has been forked.
type entry struct {
	thread func() error
	flags  uintptr
	cgroup int // descriptor of the cgroup directory, 0 = none
	steps  []stage.Step
	seal   []stage.Step
	lower  []stage.Step
	birth  []stage.Step
	fds    []int
}

func (e *entry) close() {
	for _, fd := range e.fds {
		_ = unix.Close(fd)
	}
	e.fds = nil
}

// open opens a path for the entry's life.
func (e *entry) open(path string, flags int) (int, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	e.fds = append(e.fds, fd)
	return fd, nil
}

func (e *entry) prepare(x *cell) error {
	first := x.First.Pid == 0
	err := e.openCgroup(x.Cgroup)
	if err != nil {
		return err
	}
	if err := e.enterSpots(x); err != nil {
		return err
	}
	if e.seal, err = seal(&x.Spec, first); err != nil {
		return err
	}
	if e.lower, err = lowerCapabilities(effective(&x.Spec)); err != nil {
		return err
	}
	if first {
		e.flags = x.namespaces()
		e.thread = unshareMounts
		return nil
	}
	return e.join(x)
}

// openCgroup opens the directory that the child is born in.
func (e *entry) openCgroup(path string) (err error) {
	if path != "" {
		e.cgroup, err = e.open(path, unix.O_PATH)
	}
	return err
}

// unshareMounts gives the calling thread its own view of the mounts. What the
// host unmounts goes away here too, so that a cell keeps no disk busy;
// nothing that is mounted here is seen by the host.
func unshareMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil { // and CLONE_FS, unshare(2)
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("separate mounts from the host's (is / a mount point?): %w", err)
	}
	return nil
}

// join prepares an entry into the namespaces of the running first process.
func (e *entry) join(x *cell) error {
	pidfd, err := x.First.open(0)
	if errors.Is(err, errGone) {
		return fmt.Errorf("its first process, %d, has ended: %w", x.First.Pid, kmod.ErrNotFound)
	}
	if err != nil {
		return err
	}
	e.fds = append(e.fds, pidfd)
	root, err := e.open(procPath(x.First.Pid, "root"), unix.O_PATH)
	if err != nil {
		return fmt.Errorf("its first process has ended or is not ours: %w", err)
	}
	// The pid must still have been the process's when its root was opened.
	if alive, err := x.First.alive(); err != nil || !alive {
		return fmt.Errorf("its first process, %d, has ended: %w", x.First.Pid, errors.Join(err, kmod.ErrNotFound))
	}
	// The pid namespace is the child's own step, so that it is not born there:
	// who is has neighbours, and is not sealed yet.
	e.seal = append([]stage.Step{
		stage.OnFD("join the cell's pid namespace", unix.SYS_SETNS, pidfd, unix.CLONE_NEWPID),
		stage.OnFD("let go of the first process", unix.SYS_CLOSE, pidfd),
	}, e.seal...)
	e.birth = []stage.Step{stage.BirthStep("fork into the cell's pid namespace")}
	flags := int(x.namespaces())&^unix.CLONE_NEWPID | unix.CLONE_NEWNS
	e.thread = func() error { return joinThread(pidfd, root, flags, x.Spec.Root == "/") }
	return nil
}

// joinThread moves the calling thread into the cell's namespaces, CLONE_NEW* in
// flags: root is where the cell's first process has its root directory.
func joinThread(pidfd, root, flags int, hostRoot bool) error {
	outside, err := rootInode()
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return fmt.Errorf("look at the cell's root: %w", err)
	}
	if (place{st.Dev, st.Ino}) == outside && !hostRoot {
		return fmt.Errorf("join cell: its first process has not changed its root directory yet: %w", unix.EPERM)
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare root directory: %w", err)
	}
	if err := unix.Setns(pidfd, flags); err != nil {
		return fmt.Errorf("join the cell's namespaces: %w", err)
	}
	// setns moved the root directory to the mount namespace's root, which is
	// the cell's after pivot_root(2) but not after chroot(2).
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("change to the cell's root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root to the cell's: %w", err)
	}
	return nil
}

// place identifies a directory on a mounted filesystem.
type place struct{ dev, ino uint64 }

// rootInode is the thread's root directory.
func rootInode() (place, error) {
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		return place{}, &os.PathError{Op: "stat", Path: "/", Err: err}
	}
	return place{st.Dev, st.Ino}, nil
}

// Entered records the first process; pid is as this process sees it. A cell
// has one first process: another one while it lives is ErrBusy.
func (c *Client) Entered(id kmod.ID, pid int) error {
	p, err := identify(pid)
	if err != nil {
		return fmt.Errorf("record first process of cell %d: %w", id, err)
	}
	err = c.change(id, func(x *cell) error {
		if x.First.Pid != 0 && x.First != p {
			return fmt.Errorf("its first process is %d: %w", x.First.Pid, kmod.ErrBusy)
		}
		x.First = p
		return nil
	})
	if err != nil {
		return fmt.Errorf("record first process of cell %d: %w", id, err)
	}
	return nil
}
