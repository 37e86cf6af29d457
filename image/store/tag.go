package store

// A second name for an image that is here.

import (
	"context"
	"fmt"
	"slices"

	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Tag gives the images that a name stands for another name too, which is taken
// away from any other image. It gives the new name in full, and the digests of
// those that had it. Both names have to be ones that the policy lets the images
// have: else a new name would be the way around it. That error wraps
// trust.ErrRefused, that of a missing image ErrNoImage.
func (s *Store) Tag(ctx context.Context, from, to string) (full string, before []digest.Digest, err error) {
	n, err := reference.Local(to)
	if err != nil {
		return "", nil, err
	}
	was, found, err := s.Lookup(from)
	if err != nil {
		return "", nil, err
	}
	if own := found[0].Annotations[v1.AnnotationRefName]; own != "" {
		was = own // it was named by its digest
	}
	named := Named{Name: n.String(), Images: found}
	for _, name := range []string{was, named.Name} {
		if err := s.trustedAs(name, found); err != nil {
			return "", nil, fmt.Errorf("name image %s: %w", named.Name, err)
		}
	}
	err = s.changeIndex(ctx, func(list []layout.IndexEntry) []layout.IndexEntry {
		for _, e := range list {
			if e.Annotations[v1.AnnotationRefName] == named.Name && !named.has(e.Digest) {
				before = append(before, e.Digest)
			}
		}
		return append(layout.WithoutName(list, named.Name), named.entries()...)
	})
	if err != nil {
		return "", nil, fmt.Errorf("name image %s: %w", named.Name, err)
	}
	return named.Name, before, nil
}

// trustedAs tells whether the policy lets all images that are here below found have
// a name.
func (s *Store) trustedAs(name string, found []v1.Descriptor) error {
	demands, err := s.Demands(name)
	if err != nil || len(demands) == 0 {
		return err
	}
	// Of each way to an image, what could have been signed: all that is on it.
	enter := func(n *manifest.Node, err error) ([]v1.Descriptor, error) {
		switch {
		case err != nil:
			return nil, err
		case manifest.IsIndex(n.MediaType):
			next, err := s.Children(n.Descriptor)
			return slices.DeleteFunc(next, func(d v1.Descriptor) bool { // an index names more platforms than came
				there, err := s.has(d)
				return err == nil && !there
			}), err
		}
		var targets []digest.Digest
		for ; n != nil; n = n.Parent {
			targets = append(targets, n.Digest)
		}
		for _, d := range demands {
			if err := s.met(d, targets); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return (&manifest.Walk{Enter: enter}).From(found...)
}
