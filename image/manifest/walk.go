package manifest

// The one walk over indexes and manifests.

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxNesting is how many indexes within indexes are followed.
const MaxNesting = 8

// Node is a descriptor on a walk.
type Node struct {
	v1.Descriptor
	Parent *Node // what led to it; nil for a root
	Again  bool  // the walk has met the digest before, as something else
	depth  int
}

// use is what a descriptor says that a blob is. The same bytes can be a layer of
// one image and the manifest of another, and only the manifest leads on. One
// image can be listed for two platforms.
type use struct {
	digest    digest.Digest
	mediaType string
	size      int64
	platform  string
}

func useOf(d v1.Descriptor) use {
	u := use{digest: d.Digest, mediaType: d.MediaType, size: d.Size}
	if d.Platform != nil {
		u.platform = PlatformName(*d.Platform)
	}
	return u
}

// Walk goes from descriptors to what they lead to, each use of a blob once: a
// digest, a media type, a size and a platform. What leads where is the business of
// its functions: most of them ask Children.
type Walk struct {
	// Enter is told of each node before what it leads to, and gives that. err is
	// not nil where documents are nested too deeply: then nothing below is
	// visited. An error of Enter ends the walk.
	Enter func(n *Node, err error) (next []v1.Descriptor, _ error)
	// Leave, if not nil, is told of each node after what it leads to. Its error
	// ends the walk.
	Leave func(n *Node) error

	used map[use]bool
	seen map[digest.Digest]bool
}

// From walks from the roots on, in their order. It gives the error of Enter or
// Leave that ended the walk. What an earlier From has seen is not visited again.
func (w *Walk) From(roots ...v1.Descriptor) error { return w.visit(nil, roots) }

// Seen tells whether the walk has come to a digest, as whatever.
func (w *Walk) Seen(d digest.Digest) bool { return w.seen[d] }

func (w *Walk) visit(parent *Node, list []v1.Descriptor) error {
	if w.seen == nil {
		w.used, w.seen = map[use]bool{}, map[digest.Digest]bool{}
	}
	for _, d := range list {
		u := useOf(d)
		if w.used[u] {
			continue
		}
		n := &Node{Descriptor: d, Parent: parent, Again: w.seen[d.Digest]}
		w.used[u], w.seen[d.Digest] = true, true
		var err error
		if parent != nil {
			n.depth = parent.depth + 1
		}
		if n.depth > MaxNesting {
			err = fmt.Errorf("more than %d indexes within indexes", MaxNesting)
		}
		next, failed := w.Enter(n, err)
		if failed == nil && err == nil {
			failed = w.visit(n, next)
		}
		if failed == nil && w.Leave != nil {
			failed = w.Leave(n)
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// Types are the media types of indexes and manifests.
var Types = []string{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, MediaTypeDockerIndex, MediaTypeDockerManifest}

// IsIndex tells whether a media type is that of an index.
func IsIndex(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == MediaTypeDockerIndex
}

// IsManifest tells whether a media type is that of an image's manifest.
func IsManifest(mediaType string) bool {
	return mediaType == v1.MediaTypeImageManifest || mediaType == MediaTypeDockerManifest
}

// IsConfig tells whether a media type is that of an image's config.
func IsConfig(mediaType string) bool {
	return mediaType == v1.MediaTypeImageConfig || mediaType == MediaTypeDockerConfig
}
