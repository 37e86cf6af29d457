// Package trust tells whether an image was signed by who should have signed it:
// keys, the policy that demands them, and signatures in the form of sigstore's
// simple signing, as cosign makes them. It is pure: it reads no file, asks no
// server, knows no time. What it does not understand it refuses.
package trust

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrRefused is wrapped by the error of each image that is not to be used.
var ErrRefused = errors.New("not trusted")

// What signatures are in a registry (sigstore's specifications, SIGNATURE_SPEC.md).
const (
	payloadMediaType  = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureKey      = "dev.cosignproject.cosign/signature"
	payloadType       = "cosign container image signature"
	kindKey           = "kind"
	kindSignatures    = "dev.cosignproject.cosign/sigs"
	ArtifactType      = "application/vnd.dev.cosign.artifact.sig.v1+json"
	signatureTagStart = "sha"
	signatureTagEnd   = ".sig"
)

// What of one image is looked at.
const (
	maxPayload    = 64 << 10 // bytes
	maxSignatures = 64       // of one artifact
	maxKept       = 2 << 20  // bytes of indexes that evidence keeps
)

// Signature is one signature and what it signs.
type Signature struct {
	Payload []byte `json:"payload"`
	Value   []byte `json:"signature"`
}

// Equal tells whether two signatures are the same.
func (s Signature) Equal(o Signature) bool {
	return subtle.ConstantTimeCompare(s.Payload, o.Payload) == 1 && subtle.ConstantTimeCompare(s.Value, o.Value) == 1
}

// payload is sigstore's "simple signing" document.
type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// parsePayload gives the digest that a payload names. Who it says that the image is
// of is not looked at: that is anybody's word, but for the key's.
func parsePayload(data []byte) (digest.Digest, error) {
	if len(data) > maxPayload {
		return "", fmt.Errorf("payload: %d bytes, at most %d are read", len(data), maxPayload)
	}
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return "", fmt.Errorf("payload: %w", err)
	}
	if p.Critical.Type != payloadType {
		return "", fmt.Errorf("payload: critical.type %s: want %q", image.Quote(p.Critical.Type), payloadType)
	}
	if err := verify.Digest(p.Critical.Image.Digest); err != nil {
		return "", fmt.Errorf("payload: critical.image.docker-manifest-digest: %w", err)
	}
	return p.Critical.Image.Digest, nil
}

// makePayload is the document that is signed for an image of a repository.
func makePayload(sum digest.Digest, repository string) ([]byte, error) {
	var p payload
	p.Critical.Identity.Reference, p.Critical.Image.Digest, p.Critical.Type = repository, sum, payloadType
	return json.Marshal(p)
}

// verify tells whether a signature is the key's, and of the digest.
func (s Signature) verify(k *Key, sum digest.Digest) error {
	if err := k.verify(s.Payload, s.Value); err != nil {
		return err
	}
	got, err := parsePayload(s.Payload)
	if err != nil {
		return err
	}
	if got != sum {
		return fmt.Errorf("it signs %s", got)
	}
	return nil
}

// Candidate is a signature in a registry or layout: a blob with the payload, and
// the signature beside it.
type Candidate struct {
	Payload v1.Descriptor
	value   []byte
}

// Candidates are the signatures that a manifest holds.
func Candidates(m *v1.Manifest) (list []Candidate, err error) {
	for _, l := range m.Layers {
		text, found := l.Annotations[signatureKey]
		if !found || l.MediaType != payloadMediaType || l.Size > maxPayload {
			continue
		}
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", signatureKey, err)
		}
		if list = append(list, Candidate{l, value}); len(list) > maxSignatures {
			return nil, fmt.Errorf("more than %d signatures", maxSignatures)
		}
	}
	return list, nil
}

// With makes a candidate a signature; payload is its verified blob.
func (c Candidate) With(payload []byte) Signature { return Signature{payload, c.value} }

// Tag is the tag of the artifact with the signatures of a digest.
func Tag(sum digest.Digest) string { return ReferrersTag(sum) + signatureTagEnd }

// ReferrersTag is the tag of the index of what refers to a digest, in a registry
// that does not keep one by itself (distribution-spec, "Referrers Tag Schema").
func ReferrersTag(sum digest.Digest) string {
	return sum.Algorithm().String() + "-" + sum.Encoded()
}

// IsSignature tells whether an entry of an index is that of signatures, not that
// of an image.
func IsSignature(d v1.Descriptor) bool {
	name := d.Annotations[v1.AnnotationRefName]
	tag := name[strings.LastIndexAny(name, "/:")+1:]
	return d.ArtifactType == ArtifactType || d.Annotations[kindKey] == kindSignatures ||
		strings.HasPrefix(tag, signatureTagStart) && strings.HasSuffix(tag, signatureTagEnd)
}

// Evidence is why an image can be trusted. It holds all that it takes to find that
// out again, later and without a network, with whatever keys are demanded then.
type Evidence struct {
	Signed digest.Digest `json:"signed"`
	// Via are the indexes that lead from what was signed to the image, none if
	// that is the image itself.
	Via        [][]byte    `json:"via,omitempty"`
	Signatures []Signature `json:"signatures"`
}

// leadsTo tells whether what was signed is the target, or an index that lists it.
func (e Evidence) leadsTo(target digest.Digest) error {
	at := e.Signed
	if err := verify.Digest(at); err != nil {
		return err
	}
	for i, doc := range e.Via {
		if got := at.Algorithm().FromBytes(doc); got != at {
			return fmt.Errorf("index %s: its digest is %s: %w", at, got, verify.ErrMismatch)
		}
		next := target
		if i+1 < len(e.Via) {
			next = digest.FromBytes(e.Via[i+1])
		}
		if !lists(doc, next) {
			return fmt.Errorf("index %s does not list %s", at, next)
		}
		at = next
	}
	if at != target {
		return fmt.Errorf("%s was signed, not %s", at, target)
	}
	return nil
}

// lists tells whether an index lists a digest as a manifest or an index.
func lists(doc []byte, want digest.Digest) bool {
	for _, mediaType := range manifest.Types {
		if !manifest.IsIndex(mediaType) {
			continue
		}
		x, err := manifest.ParseIndex(doc, mediaType)
		if err == nil && slices.ContainsFunc(x.Manifests, func(d v1.Descriptor) bool {
			return d.Digest == want && (manifest.IsIndex(d.MediaType) || manifest.IsManifest(d.MediaType))
		}) {
			return true
		}
	}
	return false
}

// Demand is what an image has to have: a signature of one of the keys.
type Demand struct {
	By   string // who demands it, for messages
	Keys []*Key
}

// Met gives the evidence that meets the demand for an image, with no more of the
// signatures than those of the keys. The error wraps ErrRefused.
func (d Demand) Met(target digest.Digest, list []Evidence) (Evidence, error) {
	why := errors.New("it has no signature")
	for _, e := range list {
		if err := e.leadsTo(target); err != nil {
			why = err
			continue
		}
		good := Evidence{Signed: e.Signed, Via: e.Via}
		for _, s := range e.Signatures {
			for _, k := range d.Keys {
				err := s.verify(k, e.Signed)
				if err == nil {
					good.Signatures = append(good.Signatures, s)
					break
				}
				why = fmt.Errorf("signature of %s with %s: %w", e.Signed, k.Name, err)
			}
		}
		if len(good.Signatures) > 0 {
			return good, nil
		}
	}
	return Evidence{}, fmt.Errorf("image %s: %w: %s demands a signature: %w", target, ErrRefused, d.By, why)
}

// MarshalEvidence is the form in which evidence is kept.
func MarshalEvidence(list []Evidence) ([]byte, error) {
	size := 0
	for _, e := range list {
		for _, doc := range e.Via {
			size += len(doc)
		}
	}
	if size > maxKept {
		return nil, fmt.Errorf("the indexes that were signed have %d bytes, at most %d are kept", size, maxKept)
	}
	return json.Marshal(list)
}

// ParseEvidence reads what MarshalEvidence wrote. It says nothing about what it is
// worth.
func ParseEvidence(data []byte) (list []Evidence, err error) {
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("parse signatures: %w", err)
	}
	return list, nil
}

// Merge adds evidence to what there is: what is new comes first, and the oldest of
// too much is dropped.
func Merge(old, more []Evidence) []Evidence {
	const most = 8
	list := slices.Clone(more)
	for _, e := range old {
		i := slices.IndexFunc(list, func(n Evidence) bool { return n.Signed == e.Signed })
		if i < 0 {
			list = append(list, e)
			continue
		}
		list[i].Signatures = slices.Clone(list[i].Signatures)
		for _, s := range e.Signatures {
			if !slices.ContainsFunc(list[i].Signatures, s.Equal) && len(list[i].Signatures) < maxSignatures {
				list[i].Signatures = append(list[i].Signatures, s)
			}
		}
	}
	return list[:min(len(list), most)]
}
