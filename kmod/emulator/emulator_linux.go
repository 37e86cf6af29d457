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
		if _, err := c.load(); err != nil {
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
	var made error
	err = c.update(func(s *state) error {
		before := slices.Clip(s.rows)
		if err := c.add(s, n); err != nil {
			return err
		}
		// The row comes first: whoever is killed in between leaves a cell that
		// Destroy can find, not cgroups or rules without a cell.
		s.after = func() error {
			if made = c.settleIn(n); made == nil && features.Ports.Level == kmod.Enforced {
				made = c.enforce(before, s.rows, n)
			}
			return made
		}
		return nil
	})
	if made != nil {
		err = errors.Join(err, c.update(func(s *state) error {
			x, err := s.find(n.ID)
			if err != nil {
				return err
			}
			return c.remove(s, x)
		}))
	}
	if err != nil {
		return 0, fmt.Errorf("create cell %s: %w", spec.Name, err)
	}
	return n.ID, nil
}

// add gives n an id and a row, unless its name or a port is taken.
func (c *Client) add(s *state, n *cell) error {
	if s.next+1 == 0 {
		return fmt.Errorf("cell ids are used up: %w", unix.EOVERFLOW)
	}
	for _, r := range s.rows {
		if r.name == n.Spec.Name {
			return fmt.Errorf("cell %d: %w", r.id, kmod.ErrExists)
		}
		if len(n.Spec.Ports) == 0 || !r.has("ports") {
			continue
		}
		o, err := r.decode()
		if err != nil {
			return err
		}
		if err := portsFree(n.Spec.Ports, o); err != nil {
			return err
		}
	}
	n.ID = s.next
	c.choose(n)
	if err := n.free(s.rows); err != nil {
		return err
	}
	return s.save(n)
}

func portsFree(ports []kmod.Port, o *cell) error {
	for _, p := range ports {
		if slices.ContainsFunc(o.Spec.Ports, func(q kmod.Port) bool { return overlap(p, q) }) {
			return fmt.Errorf("port %d, cell %s: %w", p.Port, o.Spec.Name, kmod.ErrPortInUse)
		}
	}
	return nil
}

// Destroy removes a cell whose members have ended. A zombie does not count as
// a member, unlike on NetBSD: whoever has to reap it may be slow.
func (c *Client) Destroy(id kmod.ID) error {
	c.settle(id)
	err := c.update(func(s *state) error {
		x, err := s.find(id)
		if err != nil {
			return err
		}
		busy, err := x.busy()
		if err != nil {
			return err
		}
		if busy {
			return kmod.ErrBusy
		}
		return c.remove(s, x)
	})
	if err != nil {
		return fmt.Errorf("destroy cell %d: %w", id, err)
	}
	return nil
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
	if dying, err := x.dying(); dying && err == nil {
		_, _ = poll(fd, 200*time.Millisecond)
	}
}

// remove takes an empty cell out of the kernel and the state.
func (c *Client) remove(s *state, x *cell) error {
	i := s.index(x.ID)
	rest := slices.Concat(s.rows[:i], s.rows[i+1:])
	if x.Cgroup != "" {
		if err := c.enforce(s.rows, rest, x); err != nil {
			return err
		}
	}
	err := x.removeCgroups()
	if errors.Is(err, unix.EBUSY) { // somebody has entered meanwhile: all stays
		err = fmt.Errorf("%w: %w", kmod.ErrBusy, err)
		if x.Cgroup != "" {
			err = errors.Join(err, c.enforce(rest, s.rows, x))
		}
	}
	if err != nil {
		return err
	}
	return s.forget(x.ID)
}

// List gives every cell, newest first. Of one that can't be read there is
// what its line begins with: it stops no command that is about another.
func (c *Client) List() ([]kmod.Info, error) {
	s, err := c.load()
	if err != nil {
		return nil, fmt.Errorf("list cells: %w", err)
	}
	infos := make([]kmod.Info, 0, len(s.rows))
	for _, r := range slices.Backward(s.rows) {
		infos = append(infos, r.info())
	}
	return infos, nil
}

// info tells of a cell as far as it can be read.
func (r row) info() kmod.Info {
	info := kmod.Info{ID: r.id, Name: r.name}
	x, err := r.decode()
	if err != nil {
		return info
	}
	pids, err := x.processes()
	if err != nil {
		pids, _ = x.scan()
	}
	info.Root, info.Created, info.Processes = x.Spec.Root, x.Created, uint64(len(pids))
	return info
}

// lookup decodes one cell without a lock.
func (c *Client) lookup(id kmod.ID) (*cell, error) {
	s, err := c.load()
	if err != nil {
		return nil, err
	}
	return s.find(id)
}
