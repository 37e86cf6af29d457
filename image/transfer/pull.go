// Whole images into the store, from a registry or from a layout. The index
// gets the name last, so an image that has one is whole.

package transfer

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// parallel is how many blobs are on their way at once.
const parallel = 3

// What one name can make the store fetch at most.
const (
	maxBlobs     = 20_000
	maxDocuments = 64 << 20 // bytes of indexes and manifests, which are kept in memory
)

// CopyOptions say what to copy.
type CopyOptions struct {
	Platform v1.Platform // zero: the host's
	// AllPlatforms takes everything that an index lists.
	AllPlatforms bool
	// Progress, if not nil, is told of blobs, never twice at the same time.
	Progress func(store.Transfer)
}

// Copied says what has come into the store.
type Copied struct {
	Name     string        `json:"name"`
	Manifest digest.Digest `json:"manifest"`
	Blobs    int           `json:"blobs"` // of the image
	Size     int64         `json:"size"`  // bytes of them
}

// Pull fetches an image from a registry.
func Pull(ctx context.Context, s *store.Store, name string, r registry.Options, o CopyOptions) (*Copied, error) {
	n, _, err := reference.ParseName(name)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Copied, error) { return nil, fmt.Errorf("pull %s: %w", n, err) }
	if err := s.Sweep(ctx); err != nil {
		return fail(err)
	}
	repo, err := registry.Open(n, r)
	if err != nil {
		return fail(err)
	}
	defer repo.Close()
	root, err := repo.Resolve(ctx)
	if err != nil {
		return fail(err)
	}
	res, err := copyImage(ctx, s, registry.Source{Repository: repo, Ctx: ctx}, []v1.Descriptor{root}, n.String(), o)
	if err != nil {
		return fail(err)
	}
	return res, nil
}

// copyImage copies what roots lead to and gives it the name.
func copyImage(ctx context.Context, s *store.Store, from image.Source, roots []v1.Descriptor, name string, o CopyOptions) (*Copied, error) {
	if o.Platform.OS == "" {
		o.Platform = manifest.HostPlatform()
	}
	if !o.AllPlatforms {
		img, err := manifest.Choose(from, roots, o.Platform)
		if err != nil {
			return nil, err
		}
		roots = []v1.Descriptor{img.Descriptor}
		roots[0].Platform = &img.Config.Platform
	}
	p := plan{store: s, from: from, seen: map[digest.Digest]bool{}}
	for _, root := range roots {
		if err := p.add(root, 0); err != nil {
			return nil, err
		}
	}
	if err := p.run(ctx, o.Progress); err != nil {
		return nil, err
	}
	if err := s.Name(ctx, name, roots...); err != nil {
		return nil, err
	}
	return &Copied{Name: name, Manifest: roots[0].Digest, Blobs: len(p.seen), Size: p.size}, nil
}

// plan lists the blobs of an image, those that others need first.
type plan struct {
	store *store.Store
	from  image.Source
	seen  map[digest.Digest]bool
	blobs []v1.Descriptor
	docs  []document // manifests and indexes, in the order in which they may appear
	size  int64      // bytes of all
	held  int64      // bytes of docs
}

type document struct {
	v1.Descriptor
	data []byte
}

// add adds what d leads to, and d. The documents are kept: they are checked
// and stored as they were then.
func (p *plan) add(d v1.Descriptor, depth int) error {
	if depth > manifest.MaxNesting {
		return fmt.Errorf("more than %d indexes within indexes", manifest.MaxNesting)
	}
	if err := verify.Digest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 {
		return fmt.Errorf("blob %s: size %d", d.Digest, d.Size)
	}
	if p.seen[d.Digest] {
		return nil
	}
	p.seen[d.Digest] = true
	if len(p.seen) > maxBlobs {
		return fmt.Errorf("more than %d blobs", maxBlobs)
	}
	p.size += d.Size
	var next []v1.Descriptor
	switch d.MediaType {
	case v1.MediaTypeImageIndex, manifest.MediaTypeDockerIndex, v1.MediaTypeImageManifest, manifest.MediaTypeDockerManifest:
		if p.held += d.Size; p.held > maxDocuments {
			return fmt.Errorf("more than %d bytes of indexes and manifests", maxDocuments)
		}
		data, err := p.from.ReadBlob(d)
		if err != nil {
			return err
		}
		if next, err = manifest.Children(d, data); err != nil {
			return err
		}
		defer func() { p.docs = append(p.docs, document{d, data}) }()
	default:
		p.blobs = append(p.blobs, d)
	}
	for _, c := range next {
		if err := p.add(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// run copies the blobs, some at once, and then the documents.
func (p *plan) run(ctx context.Context, tell func(store.Transfer)) error {
	tell = serialized(tell)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, d := range p.blobs {
		group.Go(func() error { return p.store.Fetch(gctx, p.from, d, tell) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, d := range p.docs {
		if err := p.store.Put(d.Descriptor, d.data); err != nil {
			return fmt.Errorf("store %s: %w", d.Digest, err)
		}
	}
	return nil
}
