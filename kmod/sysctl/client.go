// Package sysctl speaks to secmodel_cell on NetBSD through its sysctl nodes,
// security.models.cell: id, create, destroy and list. It is a kmod.Client for
// the published module.
//
// Everything but the raw system calls is ordinary Go that builds and is
// tested on other systems, against a kernel that answers in the published
// order of errors.
package sysctl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// kernel is the seam: what the client needs of the system.
type kernel interface {
	// sysctl is sysctl(3): it reads into old (nil: only asks for the size)
	// and writes newp unless that is nil. It gives the length read, or needed.
	sysctl(mib []int32, old, newp []byte) (int, error)
	// fork starts a child that runs p.
	fork(p *stage.Program) (child, error)
}

// child is a forked helper.
type child interface {
	pid() int
	// end kills the child if it still runs, and reaps it.
	end() error
}

type client struct {
	kernel kernel
	find   func() (*nodes, error)
	mu     sync.Mutex
	layout *layout // settled by the first create
}

func newClient(k kernel) *client {
	return &client{kernel: k, find: sync.OnceValues(func() (*nodes, error) { return findNodes(k) })}
}

var _ kmod.Client = (*client)(nil)

// ngroupsMax is NetBSD's NGROUPS_MAX.
const ngroupsMax = 16

// Features tells what the published module does.
func (c *client) Features() (kmod.Features, error) {
	if _, err := c.find(); err != nil {
		return kmod.Features{}, err
	}
	enforced := kmod.Support{Level: kmod.Enforced}
	absent := func(reason string) kmod.Support { return kmod.Support{Level: kmod.Absent, Reason: reason} }
	return kmod.Features{
		Backend:      "secmodel_cell",
		Profiles:     enforced,
		Permissions:  absent("this secmodel_cell knows the three profiles only"),
		Devices:      absent("this secmodel_cell refuses every device node at profiles medium and high, even /dev/null"),
		Ports:        enforced,
		PortAddress:  absent("this secmodel_cell reserves a port on every address, for every protocol"),
		Addresses:    absent("this secmodel_cell does not look at addresses"),
		Network:      absent("this secmodel_cell gives every cell the host's network"),
		MaxProcesses: absent("this secmodel_cell does not limit processes"),
		Processes:    absent("this secmodel_cell has no list of members: a helper that enters the cell makes one"),
		Kill:         absent("this secmodel_cell can't signal members: a helper that enters the cell does"),
		Stats:        absent("this secmodel_cell does not give out its denial counters"),
		ExitStatus:   absent("this secmodel_cell does not keep exit statuses"),
		MaxGroups:    ngroupsMax,
	}, nil
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
	if err := check(s); err != nil {
		return 0, err
	}
	n, err := c.find()
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range layouts {
		l := &layouts[i]
		if c.layout != nil && c.layout != l {
			continue
		}
		// create gives the structure back with the id filled in. The kernel
		// wants room for it before it looks at the size of what it is given:
		// with plenty, EINVAL tells a wrong size.
		b := request(s).encode(l, binary.NativeEndian)
		reply := make([]byte, 1024)
		var got int
		got, err = c.kernel.sysctl(n.create, reply, b)
		if errors.Is(err, syscall.EINVAL) && c.layout == nil {
			continue // a kernel of the other layout: the spec itself is good
		}
		if err != nil {
			return 0, c.createError(s, err)
		}
		c.layout = l
		return createdID(reply[:got], l, binary.NativeEndian)
	}
	return 0, fmt.Errorf("the kernel takes no known layout of struct cell_create (tried %d and %d bytes): %w",
		layouts[0].createSize, layouts[1].createSize, err)
}

// createError says what an errno of create means for s.
func (c *client) createError(s *kmod.Spec, err error) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("only root on the host creates cells (not inside a cell): %w", err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("root %q does not exist: %w", s.Root, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("root %q is not a directory: %w", s.Root, err)
	case errors.Is(err, syscall.EOVERFLOW):
		return fmt.Errorf("the kernel has used up its cell ids (reboot, or reload secmodel_cell without cells): %w", err)
	case errors.Is(err, syscall.EEXIST):
		return c.taken(s)
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
	ports := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		ports[i] = fmt.Sprint(p.Port)
	}
	return fmt.Errorf("reserved ports %s: %w", strings.Join(ports, ", "), kmod.ErrPortInUse)
}

// Destroy removes a cell without members.
func (c *client) Destroy(id kmod.ID) error {
	if err := c.destroy(id); err != nil {
		return fmt.Errorf("destroy cell %d: %w", id, err)
	}
	return nil
}

func (c *client) destroy(id kmod.ID) error {
	if id == 0 {
		return errHost
	}
	n, err := c.find()
	if err != nil {
		return err
	}
	b := binary.NativeEndian.AppendUint32(nil, uint32(id))
	_, err = c.kernel.sysctl(n.destroy, nil, b)
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

var errHost = fmt.Errorf("0 is the host: %w", kmod.ErrNotFound)

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

// lookup finds a cell by its id.
func (c *client) lookup(id kmod.ID) (kmod.Info, error) {
	if id == 0 {
		return kmod.Info{}, errHost
	}
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

// Enter gives the one step that makes a child a member. The child must be
// host root and have the cell's root, the very directory that Create
// resolved, as its own: otherwise the step fails with EPERM.
func (c *client) Enter(id kmod.ID) (kmod.Entry, error) {
	if _, err := c.lookup(id); err != nil {
		return kmod.Entry{}, fmt.Errorf("enter cell %d: %w", id, err)
	}
	n, err := c.find()
	if err != nil {
		return kmod.Entry{}, err
	}
	return kmod.Entry{
		Thread: func() error { return nil },
		Steps:  []stage.Step{enterStep(n, id)},
		Close:  func() {},
	}, nil
}

// Entered does nothing: the kernel knows its members.
func (c *client) Entered(kmod.ID, int) error { return nil }

// Stats counts processes; this module does not give out its denials.
func (c *client) Stats(id kmod.ID) (kmod.Stats, error) {
	pids, err := c.Processes(id)
	return kmod.Stats{Processes: uint64(len(pids))}, err
}

// Wait is unsupported: this module does not keep exit statuses.
func (c *client) Wait(_ context.Context, id kmod.ID) (uint32, error) {
	return 0, fmt.Errorf("wait for cell %d: this secmodel_cell does not keep exit statuses: %w", id, kmod.ErrUnsupported)
}
