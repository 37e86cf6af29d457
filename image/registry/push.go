package registry

// What goes to a registry.

import (
	"bytes"
	"context"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Has tells whether the registry has a blob.
func (r *Repository) Has(ctx context.Context, d v1.Descriptor) (bool, error) {
	there, err := r.repo.Blobs().Exists(ctx, d)
	return there, r.explain(err)
}

// PushBlob sends a blob. It is sent once: an error that is no backoff.Final is
// worth another attempt, with the content from its beginning.
func (r *Repository) PushBlob(ctx context.Context, d v1.Descriptor, content io.Reader) error {
	return r.explain(r.repo.Blobs().Push(ctx, d, content))
}

// PushManifest sends a manifest or an index under a tag or its digest.
func (r *Repository) PushManifest(ctx context.Context, d v1.Descriptor, data []byte, tag string) error {
	return r.try(ctx, func() error {
		return r.explain(r.repo.Manifests().PushReference(ctx, d, bytes.NewReader(data), tag))
	})
}
