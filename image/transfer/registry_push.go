// Images to a registry, or out of the store into a layout or archive.

package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
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
	p := plan{store: s, from: layout.LayoutSource{s.Layout}, seen: map[digest.Digest]bool{}}
	if err := p.add(found[0], 0); err != nil {
		return nil, fmt.Errorf("push %s: %w", full, err)
	}
	res := &Copied{Name: to, Manifest: found[0].Digest, Blobs: len(p.seen), Size: p.size}
	if reference.IsPlace(to) {
		err = export(ctx, s, &p, found[0], full, to, o)
	} else {
		res.Name, err = p.push(ctx, to, o)
	}
	if err != nil {
		return nil, fmt.Errorf("push %s to %s: %w", full, to, err)
	}
	return res, nil
}

// push sends the blobs and then the documents, the named one last.
func (p *plan) push(ctx context.Context, to string, o PushOptions) (string, error) {
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
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, d := range p.blobs {
		group.Go(func() error { return p.pushBlob(gctx, r, d, tell) })
	}
	if err := group.Wait(); err != nil {
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
func (p *plan) pushBlob(ctx context.Context, r *registry.Repository, d v1.Descriptor, tell func(store.Transfer)) error {
	state := store.Transfer{Blob: d}
	for attempt, wait := 1, backoff.FirstBackoff; ; attempt++ {
		there, err := r.Has(ctx, d)
		if err == nil && !there {
			state.Done = 0
			err = p.upload(ctx, r, d, func(n int) {
				state.Done += int64(n)
				tell(state)
			})
		}
		if err == nil {
			tell(store.Transfer{Blob: d, Done: d.Size, Present: there, Ended: true})
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if backoff.IsFinal(err) || attempt == backoff.Attempts {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
		state.Retry, state.Done = err, 0
		tell(state)
		state.Retry = nil
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, backoff.MaxBackoff)
	}
}

// upload sends a blob, verified as it is read.
func (p *plan) upload(ctx context.Context, r *registry.Repository, d v1.Descriptor, sent func(int)) error {
	f, err := p.from.Open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := verify.NewReader(&stream.Counter{Reader: f, Seen: sent}, d)
	if err != nil {
		return err
	}
	return r.PushBlob(ctx, d, stream.OnlyReader{v})
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
func export(ctx context.Context, s *store.Store, p *plan, root v1.Descriptor, full, to string, o PushOptions) (err error) {
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
		if err := out.CopyBlob(ctx, p.from, d); err != nil {
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
