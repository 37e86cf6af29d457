package transfer

// Whole images into the store, from a registry or from a layout. The index
// gets the name last, so an image that has one is whole.

import (
	"context"
	"fmt"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// CopyOptions say what to copy.
type CopyOptions struct {
	Platform   v1.Platform   // zero: the host's
	TrustIndex bool          // see manifest.Want
	Limits     *image.Limits // nil: image.DefaultLimits
	// AllPlatforms takes everything that an index lists.
	AllPlatforms bool
	// Replace lets Import take names of this machine away from other images.
	Replace bool
	// Progress, if not nil, is told of blobs, never twice at the same time.
	Progress func(store.Transfer)
}

// Copied says what has come into the store.
type Copied struct {
	Name     string        `json:"name"`
	Manifest digest.Digest `json:"manifest"`
	Blobs    int           `json:"blobs"` // of the image
	Size     int64         `json:"size"`  // bytes of them
	Notes    []image.Note  `json:"notes,omitempty"`
}

func (o CopyOptions) want() manifest.Want {
	w := manifest.Want{Platform: o.Platform, Limits: image.DefaultLimits(), TrustIndex: o.TrustIndex}
	if o.Limits != nil {
		w.Limits = *o.Limits
	}
	if w.Platform.OS == "" {
		w.Platform = manifest.HostPlatform()
	}
	return w
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
	res, roots, err := copyImage(ctx, s, registry.Source{Repository: repo, Ctx: ctx}, []v1.Descriptor{root}, n.String(), o)
	if err == nil {
		err = s.Name(ctx, store.Named{Name: n.String(), Images: roots})
	}
	if err != nil {
		return fail(err)
	}
	return res, nil
}

// copyImage copies what roots lead to, and gives what is to get the name.
func copyImage(ctx context.Context, s *store.Store, from image.Source, roots []v1.Descriptor, name string, o CopyOptions) (*Copied, []v1.Descriptor, error) {
	want := o.want()
	var notes image.Notes
	if !o.AllPlatforms {
		img, err := manifest.Choose(from, roots, want)
		if err != nil {
			return nil, nil, err
		}
		roots = []v1.Descriptor{img.Descriptor}
		roots[0].Platform, notes = &img.Config.Platform, img.Notes
	}
	p, err := planOf(from, want.Limits, roots...)
	if err != nil {
		return nil, nil, err
	}
	if err := fetch(ctx, s, from, p, o.Progress); err != nil {
		return nil, nil, err
	}
	return &Copied{Name: name, Manifest: roots[0].Digest, Blobs: p.count(), Size: p.size, Notes: notes.List}, roots, nil
}

// fetch copies the blobs, some at once, and then the documents.
func fetch(ctx context.Context, s *store.Store, from image.Source, p *plan, tell func(store.Transfer)) error {
	tell = serialized(tell)
	err := p.eachBlob(ctx, func(ctx context.Context, d v1.Descriptor) error { return s.Fetch(ctx, from, d, tell) })
	if err != nil {
		return err
	}
	for _, d := range p.docs {
		if err := s.Put(d.Descriptor, d.data); err != nil {
			return fmt.Errorf("store %s: %w", d.Digest, err)
		}
	}
	return nil
}
