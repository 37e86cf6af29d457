package transfer

// Images to a registry, or out of the store into a layout or archive.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PushOptions say how to push.
type PushOptions struct {
	Registry registry.Options
	// Replace lets one image take the tag of an index, which has images for
	// several platforms.
	Replace bool
	// Sign, if not nil, signs the image, and the signature goes with it.
	Sign *trust.Signer
	// Progress, if not nil, is told of blobs, never twice at the same time.
	Progress func(store.Transfer)
}

// Push sends an image of the store to a registry, or writes it to a place
// (oci:DIR[:REF], oci-archive:FILE[:REF], PATH). to is where, "" the registry
// of the image's own name. It gives the full name of the target.
func Push(ctx context.Context, s *store.Store, name, to string, o PushOptions) (*Copied, error) {
	full, found, err := s.Lookup(name)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("push %s: %d images have this name: give the digest of one", full, len(found))
	}
	if to == "" {
		to = full
	}
	from := layout.Source{Layout: s.Layout}
	p, err := planOf(from, image.Limits{}, found[0])
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", full, err)
	}
	res := &Copied{Name: to, Manifest: found[0].Digest, Blobs: p.count(), Size: p.size}
	list, err := signaturesFor(ctx, s, found[0].Digest, full, to, o)
	if err != nil {
		return nil, fmt.Errorf("push %s: %w", full, err)
	}
	if reference.IsPlace(to) {
		err = export(ctx, s, from, p, found[0], full, to, list, o)
	} else {
		res.Name, err = push(ctx, from, p, to, list, o)
	}
	if err != nil {
		return nil, fmt.Errorf("push %s to %s: %w", full, to, err)
	}
	return res, nil
}

// push sends the blobs and then the documents, the named one last.
func push(ctx context.Context, from image.Source, p *plan, to string, list []trust.Signature, o PushOptions) (string, error) {
	n, _, err := reference.ParseName(to)
	if err != nil {
		return "", err
	}
	if n.Registry == reference.LocalRegistry {
		return "", fmt.Errorf("%s is on this machine only: name a registry after the image", n)
	}
	if n.Digest != "" {
		return "", errors.New("a digest can't be given to an image: name a tag")
	}
	r, err := registry.Open(n, o.Registry)
	if err != nil {
		return "", err
	}
	defer r.Close()
	root := p.docs[len(p.docs)-1]
	if err := mayReplace(ctx, r, root.Descriptor, n, o); err != nil {
		return "", err
	}
	tell := serialized(o.Progress)
	err = p.eachBlob(ctx, func(ctx context.Context, d v1.Descriptor) error { return pushBlob(ctx, from, r, d, tell) })
	if err != nil {
		return "", err
	}
	for i, d := range p.docs {
		tag := string(d.Digest)
		if i == len(p.docs)-1 {
			tag = n.Tag
		}
		if err := r.PushManifest(ctx, d.Descriptor, d.data, tag); err != nil {
			return "", fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
	}
	if err := pushSignatures(ctx, r, root.Digest, list); err != nil {
		return "", fmt.Errorf("signatures of %s: %w", root.Digest, err)
	}
	return n.String(), nil
}

// signaturesFor gives the signatures that go with an image: those that are kept of
// it, and a new one, which is kept as well.
func signaturesFor(ctx context.Context, s *store.Store, sum digest.Digest, full, to string, o PushOptions) ([]trust.Signature, error) {
	if o.Sign != nil {
		name := to
		if reference.IsPlace(to) {
			name = full
		}
		if n, _, err := reference.ParseName(name); err == nil {
			name = n.Registry + "/" + n.Repository
		}
		sig, err := o.Sign.Sign(sum, name)
		if err != nil {
			return nil, err
		}
		if err := s.KeepEvidence(ctx, sum, []trust.Evidence{{Signed: sum, Signatures: []trust.Signature{sig}}}); err != nil {
			return nil, err
		}
	}
	kept, err := s.Evidence(sum)
	if err != nil {
		return nil, err
	}
	for _, e := range kept {
		if e.Signed == sum {
			return e.Signatures, nil
		}
	}
	return nil, nil
}

// pushSignatures adds signatures to those that the registry has of a digest.
func pushSignatures(ctx context.Context, r *registry.Repository, sum digest.Digest, list []trust.Signature) error {
	if len(list) == 0 {
		return nil
	}
	old, err := r.SignatureManifest(ctx, sum)
	if err != nil {
		return err
	}
	a, err := trust.NewArtifact(old, list)
	if err != nil || a == nil {
		return err
	}
	from := memory(a.Blobs)
	for sum, data := range a.Blobs {
		if err := pushBlob(ctx, from, r, v1.Descriptor{Digest: sum, Size: int64(len(data))}, serialized(nil)); err != nil {
			return err
		}
	}
	return r.PushManifest(ctx, a.Descriptor, a.Data, trust.Tag(sum))
}

// memory is a source of small blobs.
type memory map[digest.Digest][]byte

// ReadBlob implements image.Documents.
func (m memory) ReadBlob(d v1.Descriptor) ([]byte, error) { return m[d.Digest], nil }

// Open implements image.Source.
func (m memory) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(stream.Slice(m[d.Digest], offset)), nil
}

// mayReplace refuses to take the tag of an index for one image: whoever has another
// platform would have lost it.
func mayReplace(ctx context.Context, r *registry.Repository, root v1.Descriptor, n reference.Name, o PushOptions) error {
	if o.Replace || manifest.IsIndex(root.MediaType) {
		return nil
	}
	there, err := r.HasIndex(ctx)
	if err == nil && there {
		err = fmt.Errorf("%s is an index there, for several platforms, and this image is for one: push it under another tag, pull with --all-platforms what you push, or give --replace", n)
	}
	return err
}

// pushBlob sends a blob unless the registry has it. A broken upload begins
// anew: few registries take one up again.
func pushBlob(ctx context.Context, from image.Source, r *registry.Repository, d v1.Descriptor, tell func(store.Transfer)) error {
	state, there := store.Transfer{Blob: d}, false
	err := backoff.Retry(ctx, func() (_ bool, err error) {
		state.Done = 0
		if there, err = r.Has(ctx, d); err != nil || there {
			return false, err
		}
		return false, upload(ctx, from, r, d, func(n int) {
			state.Done += int64(n)
			tell(state)
		})
	}, func(err error) {
		tell(store.Transfer{Blob: d, Retry: err})
	})
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	tell(store.Transfer{Blob: d, Done: d.Size, Present: there, Ended: true})
	return nil
}

// upload sends a blob, verified as it is read.
func upload(ctx context.Context, from image.Source, r *registry.Repository, d v1.Descriptor, sent func(int)) error {
	f, err := from.Open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := verify.NewReader(&stream.Counter{Reader: f, Seen: sent}, d)
	if err != nil {
		return err
	}
	return r.PushBlob(ctx, d, stream.OnlyReader{Reader: v})
}

// serialized makes a function that is never called twice at the same time,
// and that can be called if tell is nil.
func serialized(tell func(store.Transfer)) func(store.Transfer) {
	if tell == nil {
		return func(store.Transfer) {}
	}
	var mu sync.Mutex
	return func(t store.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		tell(t)
	}
}

// export writes the image to a layout or archive.
func export(ctx context.Context, s *store.Store, from image.Source, p *plan, root v1.Descriptor, full, to string, list []trust.Signature, o PushOptions) (err error) {
	ref, err := reference.ParseNew(to)
	if err != nil {
		return err
	}
	if ref.Ref == "" {
		ref.Ref = full
	}
	if layout.Same(ref.Path, s.Dir) { // who writes a layout waits until nobody reads it, us included
		return fmt.Errorf("that is the store itself: to give the image another name there, \"runcell image tag %s NEW\"", full)
	}
	out, err := layout.Create(ctx, ref, s.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for _, d := range p.blobs {
		if err := out.CopyBlob(ctx, from, d); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(store.Transfer{Blob: d, Done: d.Size, Ended: true})
		}
	}
	for _, d := range p.docs {
		if err := out.Blob(d.Digest, d.data); err != nil {
			return err
		}
	}
	if err := exportSignatures(out, root.Digest, list); err != nil {
		return fmt.Errorf("signatures of %s: %w", root.Digest, err)
	}
	return out.Publish(ctx, v1.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size, Platform: root.Platform})
}

// exportSignatures adds signatures to those that the layout has of a digest.
func exportSignatures(out *layout.Writer, sum digest.Digest, list []trust.Signature) error {
	if len(list) == 0 {
		return nil
	}
	tag := trust.Tag(sum)
	old, err := out.Manifest(tag)
	if err != nil {
		return err
	}
	a, err := trust.NewArtifact(old, list)
	if err != nil || a == nil {
		return err
	}
	a.Blobs[a.Digest] = a.Data
	for sum, data := range a.Blobs {
		if err := out.Blob(sum, data); err != nil {
			return err
		}
	}
	return out.Beside(tag, a.Descriptor)
}
