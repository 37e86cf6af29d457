// The JSON documents of image-spec 1.1 and Docker's schema 2, reduced to the
// fields that are read or written here. They are our own because the
// published Go types bring go-digest, whose regular expressions cost every
// command most of a millisecond before main.

package image

// Media types of image-spec 1.1 (media-types.md) and their Docker twins.
const (
	mediaIndex          = "application/vnd.oci.image.index.v1+json"
	mediaManifest       = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig         = "application/vnd.oci.image.config.v1+json"
	mediaLayer          = "application/vnd.oci.image.layer.v1.tar"
	mediaDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaDockerConfig   = "application/vnd.docker.container.image.v1+json"
	mediaDockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// annotationRef names an image inside a layout (image-spec, annotations.md).
const annotationRef = "org.opencontainers.image.ref.name"

// Descriptor points to a blob.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      Digest            `json:"digest"`
	Size        int64             `json:"size"` // bytes
	Platform    *Platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// index is an image index or a Docker manifest list.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Manifests     []Descriptor `json:"manifests"`
}

// manifest is an image manifest.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Config is an image configuration (image-spec, config.md).
type Config struct {
	Created string `json:"created,omitempty"` // RFC 3339
	Author  string `json:"author,omitempty"`
	Platform
	Config  RunConfig `json:"config,omitzero"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history,omitempty"`
}

// RunConfig says how to run the image.
type RunConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"` // "8080/tcp"
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []Digest `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created,omitempty"`
	CreatedBy string `json:"created_by,omitempty"`
}

// layoutFile is the marker of an image layout (image-spec, image-layout.md).
const (
	layoutFile    = "oci-layout"
	layoutVersion = "1.0.0"
	layoutContent = `{"imageLayoutVersion":"` + layoutVersion + `"}`
	indexFile     = "index.json"
)
