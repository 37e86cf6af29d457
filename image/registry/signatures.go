package registry

// Signatures in a registry: under the tag that cosign gives them, and among what
// refers to an image (distribution-spec, "Listing Referrers").

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxArtifacts is how many documents are looked at for one digest.
const maxArtifacts = 16

// Signatures calls found for each signature of a digest, in no order, until that
// gives true. What is none is passed over; what can't be had is an error.
func (r Source) Signatures(ctx context.Context, sum digest.Digest, found func(trust.Signature) bool) error {
	d, data, err := r.manifest(ctx, trust.Tag(sum), "")
	if err == nil && manifest.IsManifest(d.MediaType) {
		done, err := r.artifact(ctx, d, data, found)
		if done || err != nil {
			return err
		}
	} else if err != nil && !isMissing(err) {
		return err
	}
	list, err := r.referrers(ctx, sum)
	if err != nil {
		return err
	}
	for _, d := range list {
		d, data, err := r.manifest(ctx, string(d.Digest), d.Digest)
		if isMissing(err) || errors.Is(err, verify.ErrMismatch) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := r.artifact(ctx, d, data, found); done || err != nil {
			return err
		}
	}
	return nil
}

// artifact looks at one artifact of signatures.
func (r Source) artifact(ctx context.Context, d v1.Descriptor, data []byte, found func(trust.Signature) bool) (bool, error) {
	m, err := manifest.ParseManifest(data, d.MediaType)
	if err != nil {
		return false, err
	}
	list, err := trust.Candidates(m)
	if err != nil {
		return false, err
	}
	payloads := map[digest.Digest][]byte{}
	for _, c := range list {
		payload, known := payloads[c.Payload.Digest]
		if !known {
			err := r.try(ctx, func() (err error) {
				payload, err = verify.Document(c.Payload, func() (io.ReadCloser, error) { return r.Open(ctx, c.Payload, 0) })
				return err
			})
			if err != nil && !isMissing(err) {
				return false, err
			}
			payloads[c.Payload.Digest] = payload
		}
		if payload != nil && found(c.With(payload)) {
			return true, nil
		}
	}
	return false, nil
}

// referrers lists the artifacts of signatures that refer to a digest. A registry
// that keeps no such list has it under a tag.
func (r Source) referrers(ctx context.Context, sum digest.Digest) ([]v1.Descriptor, error) {
	_, data, err := r.document(ctx, "/referrers/"+string(sum)+"?artifactType="+trust.ArtifactType, map[string]string{"Accept": v1.MediaTypeImageIndex})
	if isMissing(err) {
		_, data, err = r.document(ctx, "/manifests/"+trust.ReferrersTag(sum), accept())
	}
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	x, err := manifest.ParseIndex(data, v1.MediaTypeImageIndex)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(x.Manifests, func(d v1.Descriptor) bool {
		return d.ArtifactType != trust.ArtifactType || verify.Digest(d.Digest) != nil
	})
	return list[:min(len(list), maxArtifacts)], nil
}

// SignatureManifest gives the artifact that has the signatures of a digest under
// cosign's tag, nil if there is none.
func (r *Repository) SignatureManifest(ctx context.Context, sum digest.Digest) (*v1.Manifest, error) {
	d, data, err := r.manifest(ctx, trust.Tag(sum), "")
	if isMissing(err) {
		return nil, nil //nolint:nilnil // none is no error
	}
	if err != nil {
		return nil, err
	}
	return manifest.ParseManifest(data, d.MediaType)
}

// refusal is an answer that is not what was asked for.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// isMissing tells whether the registry has no such thing, or no such kind of thing.
func isMissing(err error) bool {
	var e *refusal
	return errors.As(err, &e) && (e.status == http.StatusNotFound || e.status == http.StatusMethodNotAllowed || e.status == http.StatusNotImplemented)
}
