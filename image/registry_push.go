// Images to a registry, or out of the store into a layout or archive.

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// PushOptions say how to push.
type PushOptions struct {
	Registry RegistryOptions
	// Progress, if not nil, is told of blobs, never twice at the same time.
	Progress func(Transfer)
}

// Push sends an image of the store to a registry, or writes it to a place
// (oci:DIR[:REF], oci-archive:FILE[:REF], PATH). to is where, "" the registry
// of the image's own name. It gives the full name of the target.
func Push(ctx context.Context, s *Store, name, to string, o PushOptions) (*Copied, error) {
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
	p := plan{store: s, from: layoutSource{s.Layout}, seen: map[digest.Digest]bool{}}
	if err := p.add(found[0], 0); err != nil {
		return nil, fmt.Errorf("push %s: %w", full, err)
	}
	res := &Copied{Name: to, Manifest: found[0].Digest, Blobs: len(p.seen), Size: p.size}
	if IsPlace(to) {
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
	n, _, err := ParseName(to)
	if err != nil {
		return "", err
	}
	if n.Registry == localRegistry {
		return "", fmt.Errorf("%s is on this machine only: name a registry after the image", n)
	}
	if n.Digest != "" {
		return "", errors.New("a digest can't be given to an image: name a tag")
	}
	r, err := openRepository(n, o.Registry)
	if err != nil {
		return "", err
	}
	defer r.close()
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
		if err := r.pushManifest(ctx, d.Descriptor, d.data, tag); err != nil {
			return "", fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
	}
	return n.String(), nil
}

// pushBlob sends a blob unless the registry has it. A broken upload begins
// anew: few registries take one up again.
func (p *plan) pushBlob(ctx context.Context, r *repository, d v1.Descriptor, tell func(Transfer)) error {
	state := Transfer{Blob: d}
	for attempt, wait := 1, firstBackoff; ; attempt++ {
		there, err := r.has(ctx, d)
		if err == nil && !there {
			state.Done = 0
			err = p.upload(ctx, r, d, func(n int) {
				state.Done += int64(n)
				tell(state)
			})
		}
		if err == nil {
			tell(Transfer{Blob: d, Done: d.Size, Present: there, Ended: true})
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isFinal(err) || attempt == attempts {
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
		wait = min(2*wait, maxBackoff)
	}
}

// upload sends a blob, verified as it is read.
func (p *plan) upload(ctx context.Context, r *repository, d v1.Descriptor, sent func(int)) error {
	f, err := p.from.open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := newVerified(&counter{Reader: f, seen: sent}, d)
	if err != nil {
		return err
	}
	return r.pushBlob(ctx, d, onlyReader{v})
}

// serialized makes a function that is never called twice at the same time,
// and that can be called if tell is nil.
func serialized(tell func(Transfer)) func(Transfer) {
	if tell == nil {
		return func(Transfer) {}
	}
	var mu sync.Mutex
	return func(t Transfer) {
		mu.Lock()
		defer mu.Unlock()
		tell(t)
	}
}

// export writes the image to a layout or archive.
func export(ctx context.Context, s *Store, p *plan, root v1.Descriptor, full, to string, o PushOptions) (err error) {
	ref, err := packReference(to)
	if err != nil {
		return err
	}
	if ref.Ref == "" {
		ref.Ref = full
	}
	out, err := newOutput(ref, s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	for _, d := range p.blobs {
		if err := out.copyBlob(ctx, p.from, d); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(Transfer{Blob: d, Done: d.Size, Ended: true})
		}
	}
	for _, d := range p.docs {
		if err := out.blob(d.Digest, d.data); err != nil {
			return err
		}
	}
	return out.publish(ctx, v1.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size, Platform: root.Platform})
}

// copyBlob copies a blob and verifies it.
func (out *output) copyBlob(ctx context.Context, from source, d v1.Descriptor) (err error) {
	r, err := from.open(ctx, d, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	v, err := newVerified(withContext{ctx, r}, d)
	if err != nil {
		return err
	}
	f, err := out.temp()
	if err != nil {
		return err
	}
	if _, err = io.CopyBuffer(onlyWriter{f}, v, make([]byte, aheadSize)); err == nil {
		err = out.keep(f, d.Digest)
	}
	if err != nil {
		err = errors.Join(err, out.drop(f))
	}
	return errors.Join(err, f.Close())
}
