// What Docker's schema 2 has beside the documents of image-spec: the same
// shapes under other media types.

package image

import (
	imagespecs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The media types of Docker's documents and layers.
const (
	mediaDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaDockerConfig   = "application/vnd.docker.container.image.v1+json"
	mediaDockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// mediaForeignLayer is the deprecated type of layers that are not to be
// distributed (image-spec, media-types.md); they are layers like any other.
const mediaForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar"

// schema2 is the only version of index and manifest.
var schema2 = imagespecs.Versioned{SchemaVersion: 2}

// layoutContent marks a directory as an image layout.
const layoutContent = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
