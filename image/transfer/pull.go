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
	"github.com/netbsd-cells/runcell/image/trust"
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
	// Key, if not nil, has to have signed the image, beside what the store's
	// policy demands.
	Key *trust.Key
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

// Pull fetches an image from a registry. It is an error that wraps
// trust.ErrRefused if the policy or o.Key does not let it in.
func Pull(ctx context.Context, s *store.Store, name string, r registry.Options, o CopyOptions) (*Copied, error) {
	n, _, err := reference.ParseName(name)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Copied, error) { return nil, fmt.Errorf("pull %s: %w", n, err) }
	if _, err := demands(s, n.String(), o.Key); err != nil { // before anybody is asked
		return fail(err)
	}
	if err := s.Sweep(ctx); err != nil {
		return fail(err)
	}
	repo, err := registry.Open(n, r)
	if err != nil {
		return fail(err)
	}
	defer repo.Close()
	from := remember(s, registry.Source{Repository: repo, Ctx: ctx})
	root, err := resolve(ctx, s, repo, from, n, o)
	if err != nil {
		return fail(err)
	}
	res, roots, err := copyImage(ctx, s, from, registry.Source{Repository: repo, Ctx: ctx}, []v1.Descriptor{root}, n.String(), o)
	if err == nil {
		err = s.Name(ctx, store.Named{Name: n.String(), Images: roots})
	}
	if err != nil {
		return fail(err)
	}
	return res, nil
}

// resolve gives what the name stands for now. It gets no document that is here
// already: a digest that the store has proves its bytes, and of a tag that was
// pulled before, only the digest is asked for.
func resolve(ctx context.Context, s *store.Store, repo *registry.Repository, from *remembered, n reference.Name, o CopyOptions) (v1.Descriptor, error) {
	sum := n.Digest
	_, before, _ := s.Lookup(n.String()) // it need not be there
	if sum == "" && len(before) > 0 {
		var err error
		if sum, err = repo.Ask(ctx); err != nil {
			return v1.Descriptor{}, err
		}
	}
	for _, d := range before { // chosen before, out of the same index
		if sum != "" && !o.AllPlatforms && d.Annotations[store.AnnotationIndex] == string(sum) && d.Annotations[store.AnnotationPlatform] == manifest.PlatformName(o.want().Platform) {
			return d, nil
		}
	}
	if d, data, found := s.Document(sum); found {
		from.add(d, data)
		return d, nil
	}
	d, data, err := repo.Resolve(ctx)
	if err == nil {
		from.add(d, data)
	}
	return d, err
}

// copyImage copies what roots lead to, if where has the signatures that are
// demanded, and gives what is to get the name.
func copyImage(ctx context.Context, s *store.Store, from image.Source, where signatures, roots []v1.Descriptor, name string, o CopyOptions) (*Copied, []v1.Descriptor, error) {
	want := o.want()
	wanted, err := demands(s, name, o.Key)
	if err != nil {
		return nil, nil, err
	}
	given := roots
	var notes image.Notes
	if !o.AllPlatforms {
		img, err := manifest.Choose(from, roots, want)
		if err != nil {
			return nil, nil, err
		}
		roots, notes = []v1.Descriptor{chosen(roots, img, want.Platform)}, img.Notes
	}
	var proofs []*proof
	for _, d := range roots {
		p, err := prove(ctx, s, from, where, given, d.Digest, wanted)
		if err != nil {
			return nil, nil, err
		}
		proofs = append(proofs, p)
	}
	p, err := planOf(from, want.Limits, roots...)
	if err != nil {
		return nil, nil, err
	}
	if err := fetch(ctx, s, from, p, o.Progress); err != nil {
		return nil, nil, err
	}
	for _, p := range proofs {
		if err := p.keep(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	return &Copied{Name: name, Manifest: roots[0].Digest, Blobs: p.count(), Size: p.size, Notes: notes.List}, roots, nil
}

// chosen is the descriptor of the image that was chosen for a platform, with
// what the index of the store says about it.
func chosen(roots []v1.Descriptor, img *manifest.Image, platform v1.Platform) v1.Descriptor {
	d := img.Descriptor
	d.Platform = &img.Config.Platform
	d.Annotations = nil
	for _, r := range roots {
		switch {
		case r.Digest == d.Digest:
			d.Annotations = r.Annotations
			return d
		case manifest.IsIndex(r.MediaType) && len(roots) == 1:
			d.Annotations = map[string]string{store.AnnotationIndex: string(r.Digest), store.AnnotationPlatform: manifest.PlatformName(platform)}
		}
	}
	return d
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
