package snapshots

// Filling, committing and removing a snapshot.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// OwnLabel on a snapshot says which top-level directories it gets copies of
	// besides the usual ones; see ParseOwn. Labels that begin so reach a
	// snapshotter from containerd's clients.
	OwnLabel = "containerd.io/snapshot/runcell.own"

	// refLabel and extractKey tell that an image is unpacked into a snapshot.
	// Clients of containerd 1.6 do not give the label.
	refLabel   = "containerd.io/snapshot.ref"
	extractKey = "extract-"
)

// unpacks tells whether an image is to be unpacked into a snapshot. containerd's
// keys are NAMESPACE/NUMBER/KEY. Who calls a container so gets a copy.
func unpacks(r *record) bool {
	const parts = 3
	all := strings.SplitN(r.Key, "/", parts)
	return r.Labels[refLabel] != "" || strings.HasPrefix(all[len(all)-1], extractKey)
}

// fill gives a new tree what it needs of its parent's, and tells which
// directories it does not have of its own.
func (s *Store) fill(ctx context.Context, to string, parent *snapshot, r *record) (shared []string, err error) {
	own, err := ParseOwn(r.Labels[OwnLabel])
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "label %s: %v", OwnLabel, err)
	}
	from := s.tree(parent.id)
	if !unpacks(r) {
		if shared, err = s.own.with(own).shared(from); err != nil {
			return nil, err
		}
	}
	return shared, copyTree(ctx, from, to, func(path string) bool { return slices.Contains(shared, path) })
}

// copyTree copies what can be in an image. Its limits are those of who unpacked it.
func copyTree(ctx context.Context, from, to string, hollow func(path string) bool) error {
	return layer.Copy(ctx, from, to, image.Limits{}, hollow)
}

// Commit makes an active snapshot one that others can stand upon, with another
// key. parent, if not empty, is what its parent must be.
func (s *Store) Commit(ctx context.Context, name, key, parent string, labels map[string]string) (err error) {
	n, err := s.seizeFor(name, key, parent)
	if err != nil {
		return err
	}
	var copied []string
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit snapshot %q as %q: %w", key, name, errors.Join(err, s.hollow(n, copied)))
			s.forget(name)
		}
		s.release(n)
	}()
	if copied, err = s.complete(ctx, n); err != nil {
		return err
	}
	use, err := measure(s.tree(n.id))
	if err != nil {
		return err
	}
	if err := s.sync(n.id); err != nil {
		return err
	}
	now := time.Now().UTC()
	r := record{
		Key: name, Parent: n.Parent, Kind: committed, Labels: labels, Created: now, Updated: now, Size: use.size, Inodes: use.inodes,
	}
	at("complete")
	if err := r.write(s.path(n.id)); err != nil {
		return err
	}
	at("committed")
	s.mu.Lock()
	defer s.mu.Unlock()
	n.record = r
	s.all[name] = n
	delete(s.all, key)
	return nil
}

// seizeFor gives the snapshot that is to be committed under a name, and takes the
// name.
func (s *Store) seizeFor(name, key, parent string) (*snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n, err := s.find(key); {
	case err != nil:
		return nil, err
	case n.Kind != active:
		return nil, status.Errorf(codes.FailedPrecondition, "commit snapshot %q: its kind is %s", key, n.Kind)
	case parent != "" && parent != n.Parent:
		return nil, status.Errorf(codes.InvalidArgument, "commit snapshot %q: its parent is %q, and can't be made %q", key, n.Parent, parent)
	case name == "":
		return nil, status.Errorf(codes.InvalidArgument, "commit snapshot %q: its new name is empty", key)
	case s.all[name] != nil:
		return nil, status.Errorf(codes.AlreadyExists, "commit snapshot %q: there is %q already", key, name)
	}
	n, err := s.seize(key)
	if err == nil {
		s.all[name] = &snapshot{record: record{Key: name, Parent: n.Parent}} // nothing is there yet
	}
	return n, err
}

// complete gives a tree the directories that it shares. They come into their
// places as a whole; the snapshot has them mounted over until it is committed. With an
// error it gives those that are there, too.
func (s *Store) complete(ctx context.Context, n *snapshot) (copied []string, err error) {
	if len(n.Shared) == 0 {
		return nil, nil
	}
	if _, err := measure(s.tree(n.id)); err != nil { // it is in use, where mounts are everybody's
		return nil, err
	}
	s.mu.Lock()
	from := s.tree(s.all[n.Parent].id)
	s.mu.Unlock()
	for _, name := range n.Shared {
		id := newID()
		temp := s.temp(id)
		err := os.Mkdir(temp, 0o700)
		if err == nil {
			err = copyTree(ctx, from+"/"+name, temp, nil)
		}
		if err == nil {
			err = s.replace(temp, s.tree(n.id), name)
		}
		if err != nil {
			return copied, errors.Join(fmt.Errorf("copy %q: %w", name, err), s.drop(id))
		}
		copied = append(copied, name)
	}
	return copied, nil
}

// hollow takes back what a commit that failed has copied: on a full disk it would be
// in the way.
func (s *Store) hollow(n *snapshot, copied []string) error {
	if len(copied) == 0 {
		return nil
	}
	return inTree(s.tree(n.id), func(t *inroot.Tree) error {
		for _, dir := range copied {
			if err := t.Push(dir); err != nil {
				return fmt.Errorf("empty %q: %w", dir, err)
			}
			names, err := t.Names()
			for _, name := range names {
				err = errors.Join(err, t.Remove(name))
			}
			if err := errors.Join(err, t.Leave(1)); err != nil {
				return fmt.Errorf("empty %q: %w", dir, err)
			}
		}
		return nil
	})
}

// replace moves a directory to where a tree has an empty one, or what a commit
// that was cut off has left.
func (s *Store) replace(from, tree, name string) error {
	at("copied")
	err := unix.Rename(from, tree+"/"+name) // os.Rename replaces no directory, be it empty
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTDIR) {
		return err // EBUSY: something is mounted there, and is not ours to remove
	}
	if err := erase(tree, name); err != nil {
		return err
	}
	at("erased")
	return os.Rename(from, tree+"/"+name)
}

// sync has what was unpacked on the disk: containerd does not unpack it again.
func (s *Store) sync(id string) error {
	f, err := os.Open(s.path(id))
	if err != nil {
		return err
	}
	return errors.Join(inroot.SyncTree(f), f.Close())
}

// Remove removes a snapshot that no other stands upon. First its name goes: what
// is removed half-way is in nobody's way.
func (s *Store) Remove(key string) error {
	n, err := s.seizeLeaf(key)
	if err != nil {
		return err
	}
	if _, err := measure(s.tree(n.id)); err != nil { // a mount is none of ours
		s.release(n)
		return fmt.Errorf("remove snapshot %q: %w", key, err)
	}
	if err := os.Rename(s.path(n.id), s.temp(n.id)); err != nil {
		s.release(n)
		return fmt.Errorf("remove snapshot %q: %w", key, err)
	}
	s.forget(key)
	at("unnamed")
	if err := s.drop(n.id); err != nil {
		return fmt.Errorf("remove snapshot %q: its name is gone, and the rest goes with the next clean-up: %w", key, err)
	}
	return nil
}

// drop removes what is in the directory for what is half made or half gone. If it
// can't be, Cleanup tries again.
func (s *Store) drop(id string) error {
	err := erase(s.dir+"/"+tempDir, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.stuck[id] = true
	} else {
		delete(s.stuck, id)
	}
	return err
}

// Cleanup removes what could not be removed before. It is nobody's any more, so only
// the disk's space is missing.
func (s *Store) Cleanup() (err error) {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.stuck))
	s.mu.Unlock()
	for _, id := range ids {
		if e := s.drop(id); e != nil {
			err = errors.Join(err, fmt.Errorf("clean up %s: %w", s.temp(id), e))
		}
	}
	return err
}

// seizeLeaf is seize for a snapshot that no other stands upon.
func (s *Store) seizeLeaf(key string) (*snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		if n.Parent == key {
			return nil, status.Errorf(codes.FailedPrecondition, "remove snapshot %q: %q stands upon it", key, n.Key)
		}
	}
	return s.seize(key)
}
