package emulator

// Client: cells are made, listed and removed here. Entering is in
// enter_linux.go, members in members_linux.go.

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// Client implements kmod.Client. It is safe for concurrent use by goroutines
// and by processes.
type Client struct {
	root     string
	dir      string // root/@cells
	features func() (kmod.Features, error)
	boot     func() (string, error)

	mu     sync.Mutex
	module Module // empty until it is decided
}

var _ kmod.Client = (*Client)(nil)

// Open gives a client for the cells of a state root, an absolute path. It
// touches nothing: Create makes the directory.
func Open(root string) (kmod.Client, error) { return OpenAs(root, "") }

// OpenAs is Open of the cells of one module, and fails if there are cells of
// another. Empty is the one that the cells have, Current if there are none.
func OpenAs(root string, m Module) (kmod.Client, error) {
	if !filepath.IsAbs(root) {
		return nil, fmt.Errorf("open emulator: state root %q is not absolute", root)
	}
	root = filepath.Clean(root)
	c := &Client{root: root, dir: filepath.Join(root, stateDir), module: m}
	c.features, c.boot = sync.OnceValues(c.probe), sync.OnceValues(bootID)
	if m != "" {
		if _, err := c.meet(); err != nil {
			return nil, fmt.Errorf("open emulator: %w", err)
		}
	}
	return c, nil
}

// Create makes a cell. Errors as the module's: ErrExists for a name in use,
// ErrPortInUse, EINVAL for a bad field, and what stat(2) says of the root.
func (c *Client) Create(spec kmod.Spec) (kmod.ID, error) {
	features, err := c.features()
	if err == nil {
		err = checkSpec(&spec, &features)
	}
	if err != nil {
		return 0, fmt.Errorf("create cell: %w", err)
	}
	created, err := sinceBoot()
	if err != nil {
		return 0, fmt.Errorf("create cell %s: %w", spec.Name, err)
	}
	n := &cell{Spec: spec, Created: created}
	r, err := c.claim(n)
	if err == nil {
		defer r.close()
		if err = c.furnish(r, n, features.Ports.Level == kmod.Enforced); err != nil {
			err = errors.Join(err, c.remove(r.x))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("create cell %s: %w", spec.Name, err)
	}
	return n.ID, nil
}

// furnish makes what the new cell has in the kernel, once it has got hold of
// what no two cells may have. The record comes first: whoever is killed in
// between leaves a cell that Destroy can find, not cgroups or rules without a
// cell.
func (c *Client) furnish(r *record, n *cell, enforced bool) error {
	if n.shares() {
		unlock, err := c.lockShared()
		if err != nil {
			return err
		}
		defer unlock()
		if err := c.take(n); err != nil {
			return err
		}
		if err := r.save(n); err != nil {
			return err
		}
	}
	if err := c.settleIn(n); err != nil {
		return err
	}
	if !enforced {
		return nil
	}
	if n.shares() {
		return c.enforce(n)
	}
	return c.enforceBeside(n)
}

// Destroy removes a cell whose members have ended. A zombie does not count as
// a member, unlike on NetBSD: whoever has to reap it may be slow.
func (c *Client) Destroy(id kmod.ID) error {
	c.settle(id)
	if err := c.destroy(id); err != nil {
		return fmt.Errorf("destroy cell %d: %w", id, err)
	}
	return nil
}

func (c *Client) destroy(id kmod.ID) error {
	r, err := c.open(id)
	if errors.Is(err, kmod.ErrNotFound) {
		if cleared, cerr := c.clear(id); cleared || cerr != nil {
			return cerr
		}
	}
	if err != nil {
		return err
	}
	defer r.close()
	busy, err := r.x.busy()
	if err != nil {
		return err
	}
	if busy {
		return kmod.ErrBusy
	}
	return c.remove(r.x)
}

// settle waits a moment for a cell that is dying, so that Destroy right after
// Kill works. It does so before the lock is taken.
func (c *Client) settle(id kmod.ID) {
	x, err := c.lookup(id)
	if err != nil {
		return
	}
	fd, err := x.First.open(0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	if dying, _ := x.dying(); dying {
		_, _ = poll(fd, 200*time.Millisecond)
	}
}

// remove takes an empty cell out of the kernel and the table, under its lock. It
// can be repeated. The cgroups go first: as long as one has a process in it,
// which may have entered meanwhile, all stays.
func (c *Client) remove(x *cell) error {
	had, err := rulesOf(x) // as long as the cgroup is there by which they know it
	if err != nil {
		return err
	}
	if !x.Draft {
		err = x.removeCgroups()
	}
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w: %w", kmod.ErrBusy, err)
	}
	if err == nil && x.shares() {
		err = c.release(x, had)
	}
	if err != nil {
		return err
	}
	return c.forget(x)
}

// List gives every cell, newest first. Of one that can't be read there is its
// id and name: it stops no command that is about another.
func (c *Client) List() ([]kmod.Info, error) {
	infos, err := c.list()
	if err != nil {
		return nil, fmt.Errorf("list cells: %w", err)
	}
	return infos, nil
}

// known gives the table, and the ids of all cells in it.
func (c *Client) known() (table string, ids []kmod.ID, err error) {
	if _, err = c.meet(); err != nil {
		return "", nil, err
	}
	if table, err = c.table(); err != nil {
		return "", nil, err
	}
	ids, err = c.ids(-1)
	return table, ids, err
}

func (c *Client) list() ([]kmod.Info, error) {
	table, ids, err := c.known()
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	infos := make([]kmod.Info, 0, len(ids))
	for _, id := range slices.Backward(ids) {
		x, err := read(table, id)
		if err == nil {
			infos = append(infos, x.info())
			continue
		}
		if name, err := linkName(table, id); err == nil { // or it is gone meanwhile
			infos = append(infos, kmod.Info{ID: id, Name: name})
		}
	}
	return infos, nil
}

// Names gives every cell's name, from the links by which ids are found.
func (c *Client) Names() (map[kmod.ID]string, error) {
	names, err := c.names()
	if err != nil {
		return nil, fmt.Errorf("list names of cells: %w", err)
	}
	return names, nil
}

func (c *Client) names() (map[kmod.ID]string, error) {
	table, ids, err := c.known()
	if err != nil {
		return nil, err
	}
	names := make(map[kmod.ID]string, len(ids))
	for _, id := range ids {
		if name, err := linkName(table, id); err == nil { // or it is gone meanwhile
			names[id] = name
		}
	}
	return names, nil
}

// info tells of a cell.
func (x *cell) info() kmod.Info {
	pids, err := x.processes()
	if err != nil {
		pids, _ = x.scan()
	}
	return kmod.Info{ID: x.ID, Name: x.Spec.Name, Root: x.Spec.Root, Created: x.Created, Processes: uint64(len(pids))}
}

// Name gives a cell's name.
func (c *Client) Name(id kmod.ID) (string, error) {
	x, err := c.lookup(id)
	if err != nil {
		return "", fmt.Errorf("look for cell: %w", err)
	}
	return x.Spec.Name, nil
}
