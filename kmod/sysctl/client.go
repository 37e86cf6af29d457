package sysctl

// kmod.Client over the module's nodes.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// kernel is the seam: what the client needs of the system.
type kernel interface {
	// sysctl is sysctl(3): it reads into old (nil: only asks for the size)
	// and writes newp unless that is nil. It gives the length read, or needed.
	sysctl(mib []int32, old, newp []byte) (int, error)
	// fork starts a child that runs p.
	fork(p *stage.Program) (child, error)
	// watch asks for the end of a process, who need not be a child. ESRCH: it
	// has ended.
	watch(pid int) (watch, error)
}

// watch is what waits for a process's end.
type watch interface {
	// wait blocks until then and gives the wait(2) status, or the context's
	// error.
	wait(context.Context) (status uint32, err error)
	close()
}

// child is a forked helper.
type child interface {
	pid() int
	// end kills the child if it still runs, and reaps it.
	end() error
}

type client struct {
	kernel   kernel
	find     func() (*nodes, error)
	patience time.Duration // with processes that are dying, or stopping
	mu       sync.Mutex
	layout   *layout // of a published module, settled by the first create
}

func newClient(k kernel) *client {
	return &client{
		kernel: k, patience: patience,
		find: sync.OnceValues(func() (*nodes, error) { return findNodes(k) }),
	}
}

var _ kmod.Client = (*client)(nil)

// Features tells what the loaded module does.
func (c *client) Features() (kmod.Features, error) {
	n, err := c.find()
	if err != nil {
		return kmod.Features{}, err
	}
	f := n.features()
	if f.Platforms, err = platforms(c.kernel, runtime.GOARCH); err != nil {
		return kmod.Features{}, err
	}
	return f, nil
}

func (n *nodes) features() kmod.Features {
	switch {
	case !n.own():
		return kmod.Published()
	case n.version < wire.DevicesSince:
		return kmod.Version2()
	}
	return kmod.All()
}

// Create makes a cell. Errors besides the interface's: ErrUnsupported for
// what this module would not enforce.
func (c *client) Create(s kmod.Spec) (kmod.ID, error) {
	id, err := c.create(&s)
	if err != nil {
		return 0, fmt.Errorf("create cell %q: %w", s.Name, err)
	}
	return id, nil
}

func (c *client) create(s *kmod.Spec) (kmod.ID, error) {
	if err := s.Check(); err != nil {
		return 0, err
	}
	n, err := c.find()
	if err != nil {
		return 0, err
	}
	f := n.features()
	if err := s.CheckFor(&f); err != nil {
		return 0, err
	}
	if n.own() {
		return c.createOwn(n, s)
	}
	return c.createPublished(n, s)
}

// createPublished makes a cell of a published module, with whichever layout
// the kernel takes.
func (c *client) createPublished(n *nodes, s *kmod.Spec) (kmod.ID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var refused error
	for i := range layouts {
		l := &layouts[i]
		if c.layout != nil && c.layout != l {
			continue
		}
		id, err := c.createAs(n, l, request(s, true))
		switch {
		case errors.Is(err, syscall.EINVAL) && c.layout == nil:
			refused = err // a kernel of the other layout: the spec itself is good
			continue
		case errors.Is(err, syscall.EEXIST):
			return 0, c.taken(s)
		case err != nil:
			return 0, createError(s, err)
		}
		c.layout = l
		return id, nil
	}
	return 0, fmt.Errorf("the kernel takes no known layout of struct cell_create (tried %d and %d bytes): %w",
		layouts[0].createSize, layouts[1].createSize, refused)
}

// createAs writes one layout of struct cell_create, which comes back with the
// id filled in. The kernel wants room for it before it looks at the size of
// what it is given: with plenty, EINVAL tells a wrong size.
func (c *client) createAs(n *nodes, l *layout, request *wire.Create) (kmod.ID, error) {
	reply := make([]byte, 1024)
	got, err := c.kernel.sysctl(n.create, reply, l.encode(request, binary.NativeEndian))
	if err != nil {
		return 0, err
	}
	return createdID(reply[:got], l, binary.NativeEndian)
}

// createError says what an errno of create means for s.
func createError(s *kmod.Spec, err error) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("only root on the host creates cells (not inside a cell): %w", err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("root %q does not exist: %w", s.Root, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("root %q is not a directory: %w", s.Root, err)
	case errors.Is(err, syscall.EOVERFLOW):
		return fmt.Errorf("the kernel has used up its cell ids (reboot, or reload secmodel_cell without cells): %w", err)
	}
	return err
}

// taken tells a name in use from a reserved port, which share an errno. The
// kernel looks at the name first.
func (c *client) taken(s *kmod.Spec) error {
	list, err := c.list(c.layout)
	if err != nil {
		return fmt.Errorf("its name or a port is taken: %w", errors.Join(kmod.ErrExists, err))
	}
	for _, info := range list {
		if info.Name == s.Name {
			return kmod.ErrExists
		}
	}
	if len(s.Ports) == 0 { // the other cell has just gone
		return kmod.ErrExists
	}
	return portsTaken(s)
}

// Destroy removes a cell without members.
func (c *client) Destroy(id kmod.ID) error {
	if err := c.destroy(id); err != nil {
		return fmt.Errorf("destroy cell %d: %w", id, err)
	}
	return nil
}

func (c *client) destroy(id kmod.ID) error {
	n, err := c.nodesFor(id)
	if err != nil {
		return err
	}
	_, err = c.kernel.sysctl(n.destroy, nil, cellRequest(id))
	switch {
	case errors.Is(err, syscall.ENOENT):
		return kmod.ErrNotFound
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w (ended ones count until they are reaped)", kmod.ErrBusy)
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("only root on the host destroys cells (not inside a cell): %w", err)
	}
	return err
}

// nodesFor finds the nodes for a request about a cell. The host is none: a
// signal to it must not depend on what the kernel makes of 0.
func (c *client) nodesFor(id kmod.ID) (*nodes, error) {
	if id == 0 {
		return nil, fmt.Errorf("cell 0 is the host: %w", kmod.ErrNotFound)
	}
	return c.find()
}

// List gives every cell, newest first. Processes is the kernel's sample, up
// to a second old.
func (c *client) List() ([]kmod.Info, error) {
	c.mu.Lock()
	known := c.layout
	c.mu.Unlock()
	list, err := c.list(known)
	if err != nil {
		return nil, fmt.Errorf("list cells: %w", err)
	}
	return list, nil
}

func (c *client) list(known *layout) ([]kmod.Info, error) {
	n, err := c.find()
	if err != nil {
		return nil, err
	}
	b, err := readAll(c.kernel, n.list, nil)
	if errors.Is(err, syscall.EPERM) {
		return nil, fmt.Errorf("cells are listed on the host, not inside a cell: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return decodeList(b, known, binary.NativeEndian)
}

// Names gives every cell's name. The kernel has no node for these alone, so it
// is asked for the list, which costs the same.
func (c *client) Names() (map[kmod.ID]string, error) {
	list, err := c.List()
	if err != nil {
		return nil, err
	}
	names := make(map[kmod.ID]string, len(list))
	for _, info := range list {
		names[info.ID] = info.Name
	}
	return names, nil
}

// lookup finds a cell by its id.
func (c *client) lookup(id kmod.ID) (kmod.Info, error) {
	list, err := c.List()
	if err != nil {
		return kmod.Info{}, err
	}
	for _, info := range list {
		if info.ID == id {
			return info, nil
		}
	}
	return kmod.Info{}, kmod.ErrNotFound
}

// Name gives a cell's name.
func (c *client) Name(id kmod.ID) (string, error) {
	info, err := c.lookup(id)
	if err != nil {
		return "", fmt.Errorf("look for cell %d: %w", id, err)
	}
	return info.Name, nil
}

// Enter gives the one step that makes a child a member. The child must be
// host root and have the cell's root, the very directory that Create
// resolved, as its own: otherwise the step fails with EPERM.
func (c *client) Enter(id kmod.ID) (kmod.Entry, error) {
	n, err := c.nodesFor(id)
	if err != nil {
		return kmod.Entry{}, err
	}
	if n.own() {
		_, err = c.statusOwn(n, id) // which costs the same with any number of cells
	} else {
		_, err = c.lookup(id)
	}
	if err != nil {
		return kmod.Entry{}, fmt.Errorf("enter cell %d: %w", id, err)
	}
	return kmod.Entry{
		Thread: func() error { return nil },
		Steps:  []stage.Step{enterStep(n, id)},
		Close:  func() {},
	}, nil
}

// Entered does nothing: the kernel knows its members.
func (c *client) Entered(kmod.ID, int) error { return nil }

// Processes lists the members that have not ended.
func (c *client) Processes(id kmod.ID) ([]int, error) {
	n, err := c.nodesFor(id)
	if err != nil {
		return nil, err
	}
	var pids []int
	if n.own() {
		pids, err = c.processes(n, id)
	} else {
		pids, err = c.visitList(id)
	}
	if err != nil {
		return nil, fmt.Errorf("list processes of cell %d: %w", id, err)
	}
	return pids, nil
}

// Kill signals every member. With SIGKILL it repeats that until none is left
// running; a published module can't keep them from forking meanwhile.
func (c *client) Kill(id kmod.ID, sig int) error {
	n, err := c.nodesFor(id)
	if err != nil {
		return err
	}
	if n.own() {
		err = c.killOwn(n, id, sig)
	} else {
		err = c.visitKill(id, sig)
	}
	if err != nil {
		return fmt.Errorf("signal cell %d: %w", id, err)
	}
	return nil
}

// Wait is unsupported by a published module: it does not keep exit statuses.
func (c *client) Wait(ctx context.Context, id kmod.ID) (uint32, error) {
	n, err := c.nodesFor(id)
	if err != nil {
		return 0, err
	}
	if !n.own() {
		return 0, fmt.Errorf("wait for cell %d: %s: %w", id, kmod.Published().ExitStatus.Reason, kmod.ErrUnsupported)
	}
	status, err := c.waitOwn(ctx, n, id)
	if err != nil {
		return 0, fmt.Errorf("wait for cell %d: %w", id, err)
	}
	return status, nil
}
