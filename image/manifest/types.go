package manifest

// What Docker's schema 2 has beside the documents of image-spec: the same
// shapes under other media types.

import (
	"github.com/netbsd-cells/runcell/image"
	imagespecs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// LayerType is the media type of a layer.
func LayerType(c image.Compression) string {
	if c == image.None {
		return v1.MediaTypeImageLayer
	}
	return v1.MediaTypeImageLayer + "+" + string(c)
}

// The media types of Docker's documents and layers.
const (
	MediaTypeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
	mediaDockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
)

// mediaForeignLayer is the deprecated type of layers that are not to be
// distributed (image-spec, media-types.md); they are layers like any other.
const mediaForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar"

// Schema2 is the only version of index and manifest.
var Schema2 = imagespecs.Versioned{SchemaVersion: 2}
