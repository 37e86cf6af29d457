package store

// Taking away from the store: names, and then what no name leads to.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Remove takes names away, and gives them in full. The blobs stay until GC. A
// digest stands for the name of its image; if that has several, it is an error
// that lists them, or stands for all of them if all is set.
func (s *Store) Remove(ctx context.Context, all bool, names ...string) (removed []string, err error) {
	x, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	gone, digests := map[string]bool{}, map[digest.Digest]bool{}
	for _, name := range names {
		full, found, err := s.lookup(x, name)
		if err != nil {
			return nil, err
		}
		if full == found[0].Annotations[v1.AnnotationRefName] {
			gone[full] = true
			removed = append(removed, full)
			continue
		}
		digests[found[0].Digest] = true // named by its digest
		own := namesOf(x, found[0].Digest)
		if len(own) > 1 && !all {
			return nil, fmt.Errorf("the image %s has %d names, %s: give those that are to go, or --all-names", name, len(own), strings.Join(own[:min(20, len(own))], ", "))
		}
		removed = append(removed, own...)
	}
	return removed, s.changeIndex(ctx, func(list []layout.IndexEntry) []layout.IndexEntry {
		return slices.DeleteFunc(list, func(e layout.IndexEntry) bool {
			return digests[e.Digest] || gone[e.Annotations[v1.AnnotationRefName]]
		})
	})
}

// namesOf lists the names of an image, or its digest if it has none.
func namesOf(x *v1.Index, d digest.Digest) (names []string) {
	for _, e := range x.Manifests {
		if name := e.Annotations[v1.AnnotationRefName]; e.Digest == d && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{string(d)}
	}
	return names
}

// Leftover is something in the store that no image needs.
type Leftover struct {
	Name string `json:"name"` // below the store
	Kind string `json:"kind"`
	Size int64  `json:"size"` // bytes of a blob or file; 0 for a directory
	// Bundle is where the bundle was that used it; empty if none did.
	Bundle string `json:"bundle,omitempty"`
}

// The kinds of Leftover.
const (
	kindBlob     = "blob"
	kindUnpacked = "unpacked root file system"
	kindCell     = "root file system of a removed cell"
	kindPartial  = "interrupted transfer"
)

// GC removes what no image in the index leads to and no cell uses. With
// dryRun it only lists it. It waits until nobody else uses the store. If an
// image can't be read, nothing is removed: what it needs is not known then.
func (s *Store) GC(ctx context.Context, dryRun bool) (list []Leftover, err error) {
	err = s.exclusively(ctx, func() error {
		if list, err = s.garbage(); err != nil || dryRun {
			return err
		}
		for _, l := range list {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := s.remove(l.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("collect garbage: %w", err)
	}
	return list, nil
}

// garbage lists everything that is not reachable.
func (s *Store) garbage() ([]Leftover, error) {
	reach, err := s.reachable()
	if err != nil {
		return nil, err
	}
	running := &mounted{}
	cells, bases, err := s.staleCells(running)
	if err != nil {
		return nil, err
	}
	list := cells
	blobs, err := s.blobs()
	if err != nil {
		return nil, err
	}
	for _, b := range blobs {
		if _, needed := reach.blobs[b.digest]; !needed {
			list = append(list, Leftover{Name: b.name, Kind: kindBlob, Size: b.size})
		}
	}
	roots, err := s.staleRoots(bases, reach.chains, running)
	if err != nil {
		return nil, err
	}
	list = append(list, roots...)
	signatures, err := s.staleSignatures(func(d digest.Digest) bool { _, needed := reach.blobs[d]; return needed })
	if err != nil {
		return nil, err
	}
	list = append(list, signatures...)
	left, err := s.leftovers(0)
	return append(list, left...), err
}

// readDir lists a directory of the store, sorted; a missing one is empty.
func (s *Store) readDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(s.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return list, err
}

// blobFile is a file in blobs/. Its digest is empty if its name is none.
type blobFile struct {
	name   string
	digest digest.Digest
	size   int64
}

func (s *Store) blobs() ([]blobFile, error) {
	var list []blobFile
	algorithms, err := s.readDir(v1.ImageBlobsDir)
	for _, a := range algorithms {
		if err != nil {
			return nil, err
		}
		if !a.IsDir() {
			continue
		}
		var files []fs.DirEntry
		if files, err = s.readDir(v1.ImageBlobsDir + "/" + a.Name()); err != nil {
			return nil, err
		}
		for _, f := range files {
			fi, err := f.Info()
			if err != nil {
				return nil, err
			}
			b := blobFile{name: v1.ImageBlobsDir + "/" + a.Name() + "/" + f.Name(), size: fi.Size()}
			if d := digest.Digest(a.Name() + ":" + f.Name()); verify.Digest(d) == nil {
				b.digest = d
			}
			list = append(list, b)
		}
	}
	return list, err
}

// leftovers lists what is in ingest/ and older than age.
func (s *Store) leftovers(age time.Duration) ([]Leftover, error) {
	names, err := s.readDir(ingestDir)
	var list []Leftover
	for _, n := range names {
		fi, err := n.Info()
		if err != nil {
			return nil, err
		}
		l := Leftover{Name: ingestDir + "/" + n.Name(), Kind: kindPartial}
		if fi.Mode().IsRegular() {
			l.Size = fi.Size()
		}
		if strings.HasPrefix(n.Name(), TempStart) || time.Since(fi.ModTime()) >= age {
			list = append(list, l)
		}
	}
	return list, err
}

// reach is what the index leads to.
type reach struct {
	blobs  map[digest.Digest]v1.Descriptor
	chains map[string]bool // hex digits of chain IDs
}

// reachable walks the index. Missing blobs are not its business: an index
// can list platforms that were never fetched.
func (s *Store) reachable() (*reach, error) {
	x, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	r := &reach{blobs: map[digest.Digest]v1.Descriptor{}, chains: map[string]bool{}}
	enter := func(n *manifest.Node, err error) ([]v1.Descriptor, error) {
		if err == nil {
			err = verify.Digest(n.Digest)
		}
		if err != nil {
			return nil, err
		}
		return r.follow(s, n.Descriptor)
	}
	w := &manifest.Walk{Enter: enter}
	for _, d := range x.Manifests {
		if err := w.From(d); err != nil {
			name := d.Annotations[v1.AnnotationRefName]
			if name == "" {
				name = string(d.Digest)
			}
			return nil, fmt.Errorf("what image %s needs is not known: pull it again, or remove it with \"runcell image rm\": %w", image.Quote(name), err)
		}
	}
	return r, nil
}

// follow adds d and gives what it leads to.
func (r *reach) follow(s *Store, d v1.Descriptor) ([]v1.Descriptor, error) {
	r.blobs[d.Digest] = d
	if manifest.IsConfig(d.MediaType) {
		return nil, r.chain(s, d)
	}
	next, err := s.Children(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return next, err
}

// chain notes the chain ID of a config. One that can't be parsed has none:
// nobody can have unpacked its image. Verify tells of it.
func (r *reach) chain(s *Store, d v1.Descriptor) error {
	if d.Size > image.MaxJSON {
		return nil
	}
	data, err := s.ReadBlob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("config %s: %w", d.Digest, err)
	}
	if cfg, err := manifest.ParseConfig(data); err == nil && len(cfg.RootFS.DiffIDs) > 0 {
		r.chains[identity.ChainID(cfg.RootFS.DiffIDs).Encoded()] = true
	}
	return nil
}
