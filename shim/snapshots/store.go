package snapshots

// The store: which snapshots there are, and who is at work on which.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	snapshotsDir = "snapshots"
	tempDir      = "temp"
	fsDir        = "fs"
)

// Store is a directory with snapshots. Its errors that a client has to tell apart
// have a code of gRPC.
type Store struct {
	dir  string
	own  Own
	lock *os.File

	mu    sync.Mutex
	all   map[string]*snapshot // by key; a snapshot that is being committed has two
	stuck map[string]bool      // see drop
}

// snapshot is one of them. What there is of it changes under the store's lock.
type snapshot struct {
	record
	id    string
	there bool // it is on the disk, and known
	busy  bool // somebody changes it
}

// Open opens a store, which is made if it is not there, and removes what was left
// half-way. No other process can have it open. own is for every container.
func Open(dir string, own Own) (*Store, error) {
	s := &Store{dir: strings.TrimRight(dir, "/"), own: own, all: map[string]*snapshot{}, stuck: map[string]bool{}}
	fail := func(err error) (*Store, error) {
		return nil, errors.Join(fmt.Errorf("open snapshots in %s: %w", dir, err), s.Close())
	}
	for _, d := range []string{s.dir, s.dir + "/" + snapshotsDir, s.dir + "/" + tempDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fail(err)
		}
	}
	var err error
	if s.lock, err = os.OpenFile(s.dir+"/lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fail(err)
	}
	locked, err := flock.Try(int(s.lock.Fd()), flock.Exclusive)
	if err == nil && !locked {
		err = errors.New("another snapshotter serves this directory")
	}
	if err == nil {
		err = errors.Join(s.read(), s.sweep())
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// Close lets another process have the store.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

func (s *Store) path(id string) string { return s.dir + "/" + snapshotsDir + "/" + id }

func (s *Store) tree(id string) string { return s.path(id) + "/" + fsDir }

func (s *Store) temp(id string) string { return s.dir + "/" + tempDir + "/" + id }

// newID names a directory.
func newID() string {
	const enough = 13 // of 5 bits each
	return strings.ToLower(rand.Text())[:enough]
}

// read reads what there is.
func (s *Store) read() error {
	entries, err := os.ReadDir(s.dir + "/" + snapshotsDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := s.path(e.Name()) + "/" + recordName
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		r, err := parseRecord(text)
		if err != nil {
			return fmt.Errorf("%s: %w: remove the directory that it is in, and what stands upon it", name, err)
		}
		if other := s.all[r.Key]; other != nil {
			return fmt.Errorf("%s: %s has the key %q, too", name, other.id, r.Key)
		}
		s.all[r.Key] = &snapshot{record: r, id: e.Name(), there: true}
	}
	for _, n := range s.all {
		if p := s.all[n.Parent]; n.Parent != "" && (p == nil || p.Kind != committed) {
			return fmt.Errorf("%s: its parent %q is not there", s.path(n.id), n.Parent)
		}
		if err := s.mend(n); err != nil {
			return err
		}
	}
	return nil
}

// mend makes what a commit that was cut off has taken away: a directory that
// another one is mounted upon.
func (s *Store) mend(n *snapshot) error {
	if len(n.Shared) == 0 {
		return nil
	}
	return inTree(s.tree(n.id), func(t *inroot.Tree) error {
		for _, name := range n.Shared {
			if err := t.Mkdir(name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("%s: make %q: %w", s.path(n.id), name, err)
			}
		}
		return nil
	})
}

// sweep removes leftovers. Nobody may be at work. What can't be removed is in nobody's
// way: all other snapshots are served.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.dir + "/" + tempDir)
	for _, e := range entries {
		if err := s.drop(e.Name()); err != nil {
			log.L.Warnf("remove what is left in %s: %v", s.temp(e.Name()), err)
		}
	}
	return err
}

// find gives the snapshot that has the key. The lock is held.
func (s *Store) find(key string) (*snapshot, error) {
	if n := s.all[key]; n != nil && n.there {
		return n, nil
	}
	return nil, status.Errorf(codes.NotFound, "snapshot %q: there is none", key)
}

// seize gives the snapshot that has the key to one who is to change it.
func (s *Store) seize(key string) (*snapshot, error) {
	n, err := s.find(key)
	if err == nil && n.busy {
		return nil, status.Errorf(codes.FailedPrecondition, "snapshot %q: it is being committed or removed", key)
	}
	if err == nil {
		n.busy = true
	}
	return n, err
}

func (s *Store) release(n *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.busy = false
}

// reserve takes a key for a snapshot that is about to be made, and gives its
// parent, which stays as long as the key is taken; nil if it has none.
func (s *Store) reserve(n *snapshot) (parent *snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.Key == "" {
		return nil, status.Error(codes.InvalidArgument, "snapshot: its key is empty")
	}
	if s.all[n.Key] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "snapshot %q: there is one", n.Key)
	}
	if n.Parent != "" {
		if parent, err = s.find(n.Parent); err != nil {
			return nil, err
		}
		if parent.Kind != committed || parent.busy {
			return nil, status.Errorf(codes.FailedPrecondition, "snapshot %q: its parent %q is not committed", n.Key, n.Parent)
		}
	}
	s.all[n.Key] = n
	return parent, nil
}

// forget gives a key up.
func (s *Store) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key)
}

// Prepare makes a snapshot that can be written to. One that an image is unpacked
// into, or that has no parent, has a tree of its own; another one is a container's
// root, and shares what it need not have of its own.
func (s *Store) Prepare(ctx context.Context, key, parent string, labels map[string]string) (*Snapshot, error) {
	return s.make(ctx, record{Key: key, Parent: parent, Kind: active, Labels: labels})
}

// View makes a snapshot that shows its parent.
func (s *Store) View(ctx context.Context, key, parent string, labels map[string]string) (*Snapshot, error) {
	return s.make(ctx, record{Key: key, Parent: parent, Kind: view, Labels: labels})
}

func (s *Store) make(ctx context.Context, r record) (_ *Snapshot, err error) {
	r.Created = time.Now().UTC()
	r.Updated = r.Created
	n := &snapshot{record: r, id: newID()}
	parent, err := s.reserve(n)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.forget(r.Key)
			err = fmt.Errorf("make snapshot %q: %w", r.Key, errors.Join(err, s.drop(n.id)))
		}
	}()
	temp := s.temp(n.id)
	if err := mkdir(temp, 0o700); err != nil {
		return nil, err
	}
	if err := mkdir(temp+"/"+fsDir, 0o755); err != nil {
		return nil, err
	}
	if parent != nil && r.Kind == active {
		if n.Shared, err = s.fill(ctx, temp+"/"+fsDir, parent, &r); err != nil {
			return nil, err
		}
	}
	if err := n.write(temp); err != nil {
		return nil, err
	}
	at("made")
	if err := os.Rename(temp, s.path(n.id)); err != nil {
		return nil, err
	}
	at("named")
	syncDir(s.dir + "/" + snapshotsDir)
	s.mu.Lock()
	defer s.mu.Unlock()
	n.there = true
	return s.public(n), nil
}

// mkdir makes a directory with this mode, whatever the umask.
func mkdir(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// Snapshot is what can be said of one.
type Snapshot struct {
	Key, Parent, Kind string
	Labels            map[string]string
	Created, Updated  time.Time
	// Mounts is what shows the tree, the root first. A committed snapshot has none.
	Mounts []Mount
}

// Mount shows a directory of the host in a tree.
type Mount struct {
	Source   string
	Target   string // a directory of the root; empty: the root itself
	Readonly bool
}

// public is a snapshot as others see it. The lock is held.
func (s *Store) public(n *snapshot) *Snapshot {
	p := &Snapshot{Key: n.Key, Parent: n.Parent, Kind: n.Kind, Labels: maps.Clone(n.Labels), Created: n.Created, Updated: n.Updated}
	parent := ""
	if n.Parent != "" {
		parent = s.tree(s.all[n.Parent].id)
	}
	switch {
	case n.Kind == view && parent != "":
		p.Mounts = []Mount{{Source: parent, Readonly: true}}
	case n.Kind != committed:
		p.Mounts = []Mount{{Source: s.tree(n.id), Readonly: n.Kind == view}}
		for _, name := range n.Shared {
			p.Mounts = append(p.Mounts, Mount{Source: parent + "/" + name, Target: name, Readonly: true})
		}
	}
	return p
}

// Get gives one snapshot.
func (s *Store) Get(key string) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(key)
	if err != nil {
		return nil, err
	}
	return s.public(n), nil
}

// List gives all snapshots, by their keys.
func (s *Store) List() []*Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Snapshot
	for _, key := range slices.Sorted(maps.Keys(s.all)) {
		if n := s.all[key]; n.there {
			list = append(list, s.public(n))
		}
	}
	return list
}

// Relabel changes a snapshot's labels to what change makes of them.
func (s *Store) Relabel(key string, change func(map[string]string) map[string]string) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(key)
	if err == nil && n.busy {
		err = status.Errorf(codes.FailedPrecondition, "snapshot %q: it is being committed or removed", key)
	}
	if err != nil {
		return nil, err
	}
	r := n.record
	r.Labels, r.Updated = change(maps.Clone(n.Labels)), time.Now().UTC()
	if err := r.write(s.path(n.id)); err != nil {
		return nil, err
	}
	n.record = r
	return s.public(n), nil
}

// Usage tells how many bytes of the disk a snapshot takes, and how many inodes.
func (s *Store) Usage(key string) (size, inodes int64, err error) {
	s.mu.Lock()
	n, err := s.find(key)
	if err != nil || n.Kind == committed {
		defer s.mu.Unlock()
		if err != nil {
			return 0, 0, err
		}
		return n.Size, n.Inodes, nil
	}
	dir := s.tree(n.id)
	s.mu.Unlock()
	u, err := measure(dir)
	if errors.Is(err, os.ErrNotExist) { // removed meanwhile
		return 0, 0, status.Errorf(codes.NotFound, "snapshot %q: there is none", key)
	}
	return u.size, u.inodes, err
}

// at is a point where a test stops the snapshotter.
var at = func(string) {}
