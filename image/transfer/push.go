package transfer

// Images to a registry, or out of the store into a layout or archive.

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PushOptions say how to push.
type PushOptions struct {
	Registry registry.Options
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
	if reference.IsPlace(to) {
		err = export(ctx, s, from, p, found[0], full, to, o)
	} else {
		res.Name, err = push(ctx, from, p, to, o)
	}
	if err != nil {
		return nil, fmt.Errorf("push %s to %s: %w", full, to, err)
	}
	return res, nil
}

// push sends the blobs and then the documents, the named one last.
func push(ctx context.Context, from image.Source, p *plan, to string, o PushOptions) (string, error) {
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
	return n.String(), nil
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
func export(ctx context.Context, s *store.Store, from image.Source, p *plan, root v1.Descriptor, full, to string, o PushOptions) (err error) {
	ref, err := reference.ParseNew(to)
	if err != nil {
		return err
	}
	if ref.Ref == "" {
		ref.Ref = full
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
	return out.Publish(ctx, v1.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size, Platform: root.Platform})
}
