package transfer

// What an image consists of, before anything of it is copied.

import (
	"context"
	"errors"
	"fmt"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// parallel is how many blobs are on their way at once.
const parallel = 3

// maxDocuments is how many bytes of indexes and manifests one name may lead to.
// They are kept in memory.
const maxDocuments = 16 << 20

// plan lists what an image consists of. It is plain data: who copies knows from
// where and to where.
type plan struct {
	blobs []v1.Descriptor
	docs  []document // manifests and indexes, each after those that it leads to
	size  int64      // bytes of all
}

// document was checked as it was read, and is stored as it was then.
type document struct {
	v1.Descriptor
	data []byte
}

// blob is what is copied once, whatever it is used as, and for how many platforms.
type blob struct {
	digest   digest.Digest
	size     int64
	document bool
}

// count is how many blobs and documents there are.
func (p *plan) count() int { return len(p.blobs) + len(p.docs) }

// planOf reads the documents that roots lead to.
func planOf(from image.Source, limits image.Limits, roots ...v1.Descriptor) (*plan, error) {
	p := &plan{}
	held, uses := int64(0), int64(0)
	read := map[*manifest.Node][]byte{}
	blobs := map[blob]bool{}
	enter := func(n *manifest.Node, err error) ([]v1.Descriptor, error) {
		if err == nil {
			uses++
			err = errors.Join(checkBlob(n.Descriptor), image.Over(uses, limits.MaxBlobs, "blobs", "max-blobs"))
		}
		if err != nil || !manifest.IsIndex(n.MediaType) && !manifest.IsManifest(n.MediaType) {
			return nil, err
		}
		if held += n.Size; held > maxDocuments {
			return nil, fmt.Errorf("more than %d bytes of indexes and manifests", maxDocuments)
		}
		data, err := from.ReadBlob(n.Descriptor)
		if err != nil {
			return nil, err
		}
		read[n] = data
		return manifest.Children(n.Descriptor, data)
	}
	leave := func(n *manifest.Node) error {
		data, isDocument := read[n]
		b := blob{n.Digest, n.Size, isDocument}
		if blobs[b] {
			return nil
		}
		blobs[b] = true
		if isDocument {
			p.docs = append(p.docs, document{n.Descriptor, data})
		} else {
			p.blobs = append(p.blobs, n.Descriptor)
		}
		p.size += n.Size
		return image.Over(p.size, limits.MaxSize, "bytes in blobs", "max-size")
	}
	return p, (&manifest.Walk{Enter: enter, Leave: leave}).From(roots...)
}

func checkBlob(d v1.Descriptor) error {
	if err := verify.Digest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 {
		return fmt.Errorf("blob %s: size %d", d.Digest, d.Size)
	}
	return nil
}

// eachBlob calls do for the blobs, some at once. The first error ends it.
func (p *plan) eachBlob(ctx context.Context, do func(context.Context, v1.Descriptor) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, d := range p.blobs {
		group.Go(func() error { return do(ctx, d) })
	}
	return group.Wait()
}
