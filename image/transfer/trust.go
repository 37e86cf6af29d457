package transfer

// Whether an image may come into the store, before any of its layers does.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxSignatures is how many are looked at for one digest.
const maxSignatures = 64

// signatures is where the signatures of images are looked for.
type signatures interface {
	// Signatures calls found for each signature of a digest, in no order, until
	// that gives true.
	Signatures(ctx context.Context, sum digest.Digest, found func(trust.Signature) bool) error
}

// demands are those of the store's policy and of the caller.
func demands(s *store.Store, name string, own *trust.Key) ([]trust.Demand, error) {
	list, err := s.Demands(name)
	if err == nil && own != nil {
		list = append(list, trust.Demand{By: own.Name, Keys: []*trust.Key{own}})
	}
	return list, err
}

// proof is why an image may come, to be kept beside it.
type proof struct {
	target   digest.Digest
	evidence []trust.Evidence
}

// prove finds signatures that meet all demands for the image target, which one of
// roots leads to. What is kept from before is enough; then the root's are asked for,
// then its own.
func prove(ctx context.Context, s *store.Store, from image.Documents, where signatures, roots []v1.Descriptor, target digest.Digest, list []trust.Demand) (*proof, error) {
	p := &proof{target: target}
	if len(list) == 0 {
		return p, nil
	}
	have, err := s.Evidence(target)
	if err != nil {
		have = nil // damaged: they are looked for anew
	}
	if p.meet(list, have) == nil {
		return p, nil
	}
	paths, err := pathsTo(from, roots, target)
	if err != nil {
		return nil, err
	}
	last := fmt.Errorf("image %s: %w: there is no place to look for signatures", target, trust.ErrRefused)
	for _, e := range paths {
		if where == nil {
			break
		}
		err := where.Signatures(ctx, e.Signed, func(sig trust.Signature) bool {
			e.Signatures = append(e.Signatures, sig)
			last = p.meet(list, append([]trust.Evidence{e}, have...))
			return last == nil || len(e.Signatures) >= maxSignatures
		})
		if err != nil {
			return nil, fmt.Errorf("look for signatures of %s: %w", e.Signed, err)
		}
		if len(e.Signatures) == 0 {
			last = p.meet(list, have)
		}
		if last == nil {
			return p, nil
		}
	}
	return nil, last
}

// meet takes the evidence that meets all demands.
func (p *proof) meet(list []trust.Demand, have []trust.Evidence) error {
	var all []trust.Evidence
	for _, d := range list {
		e, err := d.Met(p.target, have)
		if err != nil {
			return err
		}
		all = trust.Merge(all, []trust.Evidence{e})
	}
	p.evidence = all
	return nil
}

// keep keeps the proof for when the image is used.
func (p *proof) keep(ctx context.Context, s *store.Store) error {
	if len(p.evidence) == 0 {
		return nil
	}
	return s.KeepEvidence(ctx, p.target, p.evidence)
}

// pathsTo gives what could have been signed for the image target, without
// signatures: a root that leads to it, with the indexes on the way, and itself.
func pathsTo(from image.Documents, roots []v1.Descriptor, target digest.Digest) ([]trust.Evidence, error) {
	self := trust.Evidence{Signed: target}
	var found *manifest.Node
	docs := map[*manifest.Node][]byte{}
	enough := errors.New("found")
	enter := func(n *manifest.Node, err error) ([]v1.Descriptor, error) {
		if n.Digest == target {
			found = n
			return nil, enough
		}
		if err != nil || !manifest.IsIndex(n.MediaType) {
			return nil, err
		}
		if docs[n], err = from.ReadBlob(n.Descriptor); err != nil {
			return nil, err
		}
		return manifest.Children(n.Descriptor, docs[n])
	}
	if err := (&manifest.Walk{Enter: enter}).From(roots...); err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	if found == nil || found.Parent == nil {
		return []trust.Evidence{self}, nil
	}
	root := trust.Evidence{}
	for n := found.Parent; n != nil; n = n.Parent {
		root.Signed = n.Digest
		root.Via = append([][]byte{docs[n]}, root.Via...)
	}
	return []trust.Evidence{root, self}, nil
}
