package registry

// What goes to a registry.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// explainPush adds to an error of oras-go what a user can do about it. An answer
// is final: the transport has tried what could have helped.
func (r *Repository) explainPush(err error) error {
	if err == nil {
		return nil
	}
	var answer *errcode.ErrorResponse
	if !errors.As(err, &answer) {
		return r.explain(err)
	}
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		err = fmt.Errorf("%w; %s", err, r.login.why())
	}
	return final(err)
}

// Has tells whether the registry has a blob.
func (r *Repository) Has(ctx context.Context, d v1.Descriptor) (bool, error) {
	there, err := r.repo.Blobs().Exists(ctx, d)
	return there, r.explainPush(err)
}

// PushBlob sends a blob. It is sent once: an error that is no backoff.Final is
// worth another attempt, with the content from its beginning.
func (r *Repository) PushBlob(ctx context.Context, d v1.Descriptor, content io.Reader) error {
	return r.explainPush(r.repo.Blobs().Push(ctx, d, content))
}

// PushManifest sends a manifest or an index under a tag or its digest.
func (r *Repository) PushManifest(ctx context.Context, d v1.Descriptor, data []byte, tag string) error {
	return r.try(ctx, func() error {
		return r.explainPush(r.repo.Manifests().PushReference(ctx, d, bytes.NewReader(data), tag))
	})
}
