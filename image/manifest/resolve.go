package manifest

// An image's documents, from a root to the list of its layers.

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxRivals is how many names an error lists.
const maxRivals = 20

// Want says which image is wanted, and what it may cost.
type Want struct {
	Platform v1.Platform
	// Only takes the image for whatever platform, if there is one alone.
	// Platform does not count then.
	Only   bool
	Limits image.Limits
	// TrustIndex takes an image whose config is for another architecture than
	// the index says, as one for the index's.
	TrustIndex bool
}

// Image is an image of a layout, its documents verified. Its layers are
// verified while they are read.
type Image struct {
	Descriptor v1.Descriptor // of the manifest
	Config     v1.Image
	Layers     []Layer // lowest first
	Notes      image.Notes
}

// Layer is a layer's blob and the digest of its content.
type Layer struct {
	v1.Descriptor
	DiffID      digest.Digest
	Compression image.Compression
}

// layerTypes are the media types of layers (media-types.md; the
// non-distributable ones are deprecated, not different).
var layerTypes = []struct {
	mediaType   string
	compression image.Compression
}{
	{v1.MediaTypeImageLayer, image.None},
	{v1.MediaTypeImageLayerGzip, image.Gzip},
	{v1.MediaTypeImageLayerZstd, image.Zstd},
	{mediaForeignLayer, image.None},
	{mediaForeignLayer + "+gzip", image.Gzip},
	{mediaForeignLayer + "+zstd", image.Zstd},
	{mediaDockerLayer, image.None},
	{mediaDockerLayer + ".gzip", image.Gzip},
	{mediaDockerLayer + ".zstd", image.Zstd},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", image.Gzip},
}

// Choose picks the wanted image out of what roots lead to. Its layers need not
// be at hand. The error is a *PlatformError if there is none for the platform.
func Choose(docs image.Documents, roots []v1.Descriptor, want Want) (*Image, error) {
	c := chooser{docs: docs, want: normalPlatform(want.Platform), limits: want.Limits, trustIndex: want.TrustIndex, only: want.Only}
	if err := (&Walk{Enter: c.enter}).From(roots...); err != nil {
		return nil, err
	}
	return c.choose()
}

// Named picks the descriptors that ref names.
func Named(all []v1.Descriptor, ref string) ([]v1.Descriptor, error) {
	if ref == "" {
		return all, nil
	}
	var have []string
	var found []v1.Descriptor
	for _, d := range all {
		name := d.Annotations[v1.AnnotationRefName]
		if name == ref {
			found = append(found, d)
		} else if name != "" {
			have = append(have, image.Quote(name))
		}
	}
	if len(found) == 0 {
		if len(have) == 0 {
			return nil, fmt.Errorf("no image is named %s: none has a name", image.Quote(ref))
		}
		sort.Strings(have)
		if len(have) > maxRivals {
			have = append(have[:maxRivals], fmt.Sprintf("%d more", len(have)-maxRivals))
		}
		return nil, fmt.Errorf("no image is named %s: the layout has %s", image.Quote(ref), strings.Join(have, ", "))
	}
	return found, nil
}

// chooser gathers the images that an index offers and picks one.
type chooser struct {
	docs   image.Documents
	want   v1.Platform
	limits image.Limits
	fit    []candidate
	have   []string // what is there, for the error; the first few
	more   int      // that are not in have
	loaded int
	met    int64 // descriptors

	trustIndex bool
	only       bool
}

type candidate struct {
	v1.Descriptor
	platform v1.Platform
	name     string
}

// enter gathers what is on the way into fit. An index without platforms is
// looked through by reading the configs, so what it reads is limited.
func (c *chooser) enter(n *Node, err error) ([]v1.Descriptor, error) {
	c.met++
	if over := image.Over(c.met, c.limits.MaxBlobs, "descriptors to look through", "max-blobs"); over != nil {
		return nil, fmt.Errorf("%w: name one of the images", over)
	}
	switch {
	case err != nil:
		return nil, err
	case IsManifest(n.MediaType):
		return nil, c.consider(n.Descriptor)
	case !IsIndex(n.MediaType):
		c.note(fmt.Sprintf("an artifact of type %s", image.Quote(n.MediaType)))
		return nil, nil
	}
	data, err := c.load(n.Descriptor)
	if err != nil {
		return nil, err
	}
	next, err := Children(n.Descriptor, data)
	for i := range next { // a name covers everything below it
		if name := n.Annotations[v1.AnnotationRefName]; name != "" {
			next[i].Annotations = map[string]string{v1.AnnotationRefName: name}
		}
	}
	return next, err
}

func (c *chooser) load(d v1.Descriptor) ([]byte, error) {
	const most = 1000
	if c.loaded++; c.loaded > most {
		return nil, fmt.Errorf("more than %d documents to look through: name one of them", most)
	}
	return c.docs.ReadBlob(d)
}

// consider adds the manifest d if its platform fits.
func (c *chooser) consider(d v1.Descriptor) error {
	var p v1.Platform
	if d.Platform != nil {
		p = *d.Platform
	} else {
		m, err := c.manifest(d)
		if err != nil {
			return err
		}
		if !IsConfig(m.Config.MediaType) {
			c.note(fmt.Sprintf("an artifact of type %s", image.Quote(m.Config.MediaType)))
			return nil
		}
		cfg, err := c.config(m.Config)
		if err != nil {
			return err
		}
		p = cfg.Platform
	}
	name := d.Annotations[v1.AnnotationRefName]
	c.note(describe(p, name))
	if runsOn(p, c.want) || c.only && p.OS != unknownSystem {
		c.fit = append(c.fit, candidate{d, normalPlatform(p), name})
	}
	return nil
}

// unknownSystem is the system of what lies beside an image in an index and is none,
// such as buildkit's attestations.
const unknownSystem = "unknown"

// note keeps what is there for the error: nobody reads a long list.
func (c *chooser) note(what string) {
	const most = 20
	if len(c.have) < most {
		c.have = append(c.have, what)
	} else {
		c.more++
	}
}

func describe(p v1.Platform, name string) string {
	if name == "" {
		return strings.Trim(image.Quote(PlatformName(p)), `"`)
	}
	return strings.Trim(image.Quote(PlatformName(p)), `"`) + " (" + image.Quote(name) + ")"
}

// choose takes the best candidate. Without a wanted variant the least
// demanding one wins, so that the image runs on old machines too.
func (c *chooser) choose() (*Image, error) {
	if c.more > 0 {
		c.have = append(c.have, fmt.Sprintf("%d more", c.more))
	}
	if c.only {
		if err := c.theOnly(); err != nil {
			return nil, err
		}
	}
	if len(c.fit) == 0 {
		if len(c.have) == 0 {
			return nil, errors.New("the index is empty")
		}
		return nil, &PlatformError{c.want, c.have}
	}
	slices.SortStableFunc(c.fit, func(a, b candidate) int {
		return strings.Compare(a.platform.Variant, b.platform.Variant)
	})
	best := c.fit[0]
	var rivals []string
	for _, f := range c.fit {
		if f.platform.Variant == best.platform.Variant && f.name != best.name {
			rivals = append(rivals, image.Quote(f.name))
		}
	}
	if len(rivals) > maxRivals {
		rivals = append(rivals[:maxRivals], fmt.Sprintf("%d more", len(rivals)-maxRivals))
	}
	if len(rivals) > 0 {
		return nil, fmt.Errorf("several images for %s: add one of their names after a colon: %s, %s", PlatformName(c.want), image.Quote(best.name), strings.Join(rivals, ", "))
	}
	return c.image(best.Descriptor)
}

// theOnly wants the platform of what fits, which has to be the same of all.
func (c *chooser) theOnly() error {
	for _, f := range c.fit {
		if f.Digest != c.fit[0].Digest || PlatformName(f.platform) != PlatformName(c.fit[0].platform) {
			return fmt.Errorf("choose manifest: there is more than one image, %s: choose one with --platform", strings.Join(c.have, ", "))
		}
		c.want = f.platform
	}
	if len(c.fit) == 0 && len(c.have) > 0 {
		return fmt.Errorf("choose manifest: there is no image, only %s", strings.Join(c.have, ", "))
	}
	return nil
}

// image reads a manifest and its config.
func (c *chooser) image(d v1.Descriptor) (*Image, error) {
	m, err := c.manifest(d)
	if err != nil {
		return nil, err
	}
	cfg, err := c.config(m.Config)
	if err != nil {
		return nil, err
	}
	img := &Image{Descriptor: d, Config: *cfg}
	system := v1.Platform{OS: c.want.OS, Architecture: c.want.Architecture} // configs often lack the variant
	switch {
	case runsOn(cfg.Platform, system):
	case !c.trustIndex:
		return nil, fmt.Errorf("manifest %s: the index says it is for %s, its config says %s: --trust-index takes the index's word for it", d.Digest, PlatformName(c.want), describe(cfg.Platform, ""))
	default:
		img.Notes.Add("config.architecture", "the config says "+describe(cfg.Platform, "")+", but the index says "+PlatformName(c.want)+", which counts by --trust-index")
		img.Config.Platform = system
	}
	if img.Layers, err = pairLayers(m, cfg); err == nil {
		err = c.cost(img)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return img, nil
}

// cost compares the lists of an image with their limits.
func (c *chooser) cost(img *Image) error {
	return errors.Join(
		image.Over(int64(len(img.Layers)), c.limits.MaxLayers, "layers", "max-layers"),
		image.Over(int64(len(img.Config.Config.Volumes)), c.limits.MaxVolumes, "volumes", "max-volumes"),
	)
}

func (c *chooser) manifest(d v1.Descriptor) (*v1.Manifest, error) {
	data, err := c.load(d)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(data, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d.Digest, err)
	}
	return m, nil
}

func (c *chooser) config(d v1.Descriptor) (*v1.Image, error) { return readConfig(d, c.load) }

// ReadConfig reads and checks the config of an image.
func ReadConfig(docs image.Documents, d v1.Descriptor) (*v1.Image, error) {
	return readConfig(d, docs.ReadBlob)
}

func readConfig(d v1.Descriptor, load func(v1.Descriptor) ([]byte, error)) (*v1.Image, error) {
	if !IsConfig(d.MediaType) {
		return nil, fmt.Errorf("config %s has type %s: it is an artifact, not an image", image.Quote(string(d.Digest)), image.Quote(d.MediaType))
	}
	data, err := load(d)
	if err != nil {
		return nil, err
	}
	cfg, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("parse config %s: %w", d.Digest, err)
	}
	if cfg.RootFS.Type != "layers" {
		return nil, fmt.Errorf("parse config %s: rootfs.type %s: want \"layers\"", d.Digest, image.Quote(cfg.RootFS.Type))
	}
	return cfg, nil
}

// ParseConfig reads a config, also one of an artifact that says it has the
// type of an image's.
func ParseConfig(data []byte) (*v1.Image, error) {
	if err := checkCost(data); err != nil {
		return nil, err
	}
	cfg := &v1.Image{}
	if err := json.Unmarshal(data, cfg); err != nil {
		return nil, err
	}
	for i, id := range cfg.RootFS.DiffIDs {
		if err := verify.Digest(id); err != nil {
			return nil, fmt.Errorf("rootfs.diff_ids[%d]: %w", i, err)
		}
	}
	return cfg, nil
}

// pairLayers joins the manifest's layers and the config's DiffIDs.
func pairLayers(m *v1.Manifest, cfg *v1.Image) ([]Layer, error) {
	if len(m.Layers) != len(cfg.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%d layers, but the config has %d rootfs.diff_ids", len(m.Layers), len(cfg.RootFS.DiffIDs))
	}
	layers := make([]Layer, len(m.Layers))
	for i, d := range m.Layers {
		layers[i] = Layer{Descriptor: d, DiffID: cfg.RootFS.DiffIDs[i]}
		for _, t := range layerTypes {
			if t.mediaType == d.MediaType {
				layers[i].Compression = t.compression
			}
		}
		if layers[i].Compression == "" {
			return nil, fmt.Errorf("layers[%d] has type %s: not a layer this version can read", i, image.Quote(d.MediaType))
		}
		for _, sum := range []digest.Digest{d.Digest, layers[i].DiffID} {
			if err := verify.Digest(sum); err != nil {
				return nil, fmt.Errorf("layers[%d]: %w", i, err)
			}
		}
		if d.Size < 0 {
			return nil, fmt.Errorf("layers[%d]: size %d", i, d.Size)
		}
	}
	return layers, nil
}

// ParseIndex reads an index that a descriptor of type want ("" for the
// layout's own index.json) points to. A document of another kind
// or shape is an error.
func ParseIndex(data []byte, want string) (*v1.Index, error) {
	if err := checkShape(data, want, "manifests", "manifests", "config", "layers", "fsLayers"); err != nil {
		return nil, err
	}
	x := &v1.Index{}
	if err := json.Unmarshal(data, x); err != nil {
		return nil, err
	}
	if want == "" {
		if want = v1.MediaTypeImageIndex; x.MediaType == MediaTypeDockerIndex {
			want = MediaTypeDockerIndex
		}
	}
	return x, checkHead(x.SchemaVersion, x.MediaType, want)
}

// ParseManifest reads a manifest that a descriptor of type want points to.
// A document of another kind or shape is an error.
func ParseManifest(data []byte, want string) (*v1.Manifest, error) {
	if err := checkShape(data, want, "config", "layers", "manifests", "fsLayers"); err != nil {
		return nil, err
	}
	m := &v1.Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	return m, checkHead(m.SchemaVersion, m.MediaType, want)
}

func checkHead(schema int, got, want string) error {
	if schema != 2 {
		return fmt.Errorf("schemaVersion %d: want 2", schema)
	}
	if got != "" && got != want {
		return fmt.Errorf("mediaType %s: its descriptor says %s", image.Quote(got), want)
	}
	return nil
}
