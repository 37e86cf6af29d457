// From a layout to one image: index, platform, manifest, config. Documents
// are checked by media type and by shape, so that no document can be read as
// two kinds (CVE-2021-41190).

package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image of a layout, its documents verified. Its layers are
// verified while they are read.
type Image struct {
	Descriptor v1.Descriptor
	Config     v1.Image
	Layers     []Layer // lowest first
}

// Layer is a layer's blob and the digest of its content.
type Layer struct {
	v1.Descriptor
	DiffID      digest.Digest
	compression Compression
}

// Compression is how a layer's tar archive is compressed.
type Compression string

// Compressions that are read and written.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
	None Compression = "none"
)

// layerTypes are the media types of layers (media-types.md; the
// non-distributable ones are deprecated, not different).
var layerTypes = []struct {
	mediaType   string
	compression Compression
}{
	{v1.MediaTypeImageLayer, None},
	{v1.MediaTypeImageLayerGzip, Gzip},
	{v1.MediaTypeImageLayerZstd, Zstd},
	{mediaForeignLayer, None},
	{mediaForeignLayer + "+gzip", Gzip},
	{mediaForeignLayer + "+zstd", Zstd},
	{mediaDockerLayer, None},
	{mediaDockerLayer + ".gzip", Gzip},
	{mediaDockerLayer + ".zstd", Zstd},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Gzip},
}

// chooseFrom is choose for an image whose layers are not at hand yet.
func chooseFrom(docs documents, roots []v1.Descriptor, platform v1.Platform) (*Image, error) {
	c := chooser{docs: docs, want: normalPlatform(platform), seen: map[digest.Digest]bool{}}
	if err := c.collect(roots, 0); err != nil {
		return nil, err
	}
	return c.choose()
}

// named picks the descriptors that ref names.
func named(all []v1.Descriptor, ref string) ([]v1.Descriptor, error) {
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
			have = append(have, quote(name))
		}
	}
	if len(found) == 0 {
		if len(have) == 0 {
			return nil, fmt.Errorf("no image is named %s: none has a name", quote(ref))
		}
		sort.Strings(have)
		return nil, fmt.Errorf("no image is named %s: the layout has %s", quote(ref), strings.Join(have, ", "))
	}
	return found, nil
}

// chooser gathers the images that an index offers and picks one.
type chooser struct {
	docs   documents
	want   v1.Platform
	seen   map[digest.Digest]bool
	fit    []candidate
	have   []string // what is there, for the error
	loaded int
}

type candidate struct {
	v1.Descriptor
	platform v1.Platform
	name     string
}

// collect walks descriptors into fit. An index without platforms is looked
// through by reading the configs, so what it reads is limited.
func (c *chooser) collect(list []v1.Descriptor, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("more than %d indexes within indexes", maxNesting)
	}
	for _, d := range list {
		if c.seen[d.Digest] {
			continue
		}
		c.seen[d.Digest] = true
		switch d.MediaType {
		case v1.MediaTypeImageIndex, mediaDockerIndex:
			data, err := c.load(d)
			if err != nil {
				return err
			}
			sub, err := parseIndex(data, d.MediaType)
			if err != nil {
				return fmt.Errorf("parse index %s: %w", d.Digest, err)
			}
			for i := range sub.Manifests { // a name covers everything below it
				if name := d.Annotations[v1.AnnotationRefName]; name != "" {
					sub.Manifests[i].Annotations = map[string]string{v1.AnnotationRefName: name}
				}
			}
			if err := c.collect(sub.Manifests, depth+1); err != nil {
				return err
			}
		case v1.MediaTypeImageManifest, mediaDockerManifest:
			if err := c.consider(d); err != nil {
				return err
			}
		default:
			c.have = append(c.have, fmt.Sprintf("an artifact of type %s", quote(d.MediaType)))
		}
	}
	return nil
}

func (c *chooser) load(d v1.Descriptor) ([]byte, error) {
	const most = 1000
	if c.loaded++; c.loaded > most {
		return nil, fmt.Errorf("more than %d documents to look through: name one of them", most)
	}
	return c.docs.readBlob(d)
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
		if m.Config.MediaType != v1.MediaTypeImageConfig && m.Config.MediaType != mediaDockerConfig {
			c.have = append(c.have, fmt.Sprintf("an artifact of type %s", quote(m.Config.MediaType)))
			return nil
		}
		cfg, err := c.config(m.Config)
		if err != nil {
			return err
		}
		p = cfg.Platform
	}
	name := d.Annotations[v1.AnnotationRefName]
	c.have = append(c.have, describe(p, name))
	if runsOn(p, c.want) {
		c.fit = append(c.fit, candidate{d, normalPlatform(p), name})
	}
	return nil
}

func describe(p v1.Platform, name string) string {
	if name == "" {
		return strings.Trim(quote(platformName(p)), `"`)
	}
	return strings.Trim(quote(platformName(p)), `"`) + " (" + quote(name) + ")"
}

// choose takes the best candidate. Without a wanted variant the least
// demanding one wins, so that the image runs on old machines too.
func (c *chooser) choose() (*Image, error) {
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
			rivals = append(rivals, quote(f.name))
		}
	}
	if len(rivals) > 0 {
		return nil, fmt.Errorf("several images for %s: add one of their names after a colon: %s, %s", platformName(c.want), quote(best.name), strings.Join(rivals, ", "))
	}
	return c.image(best.Descriptor)
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
	system := v1.Platform{OS: c.want.OS, Architecture: c.want.Architecture} // configs often lack the variant
	if !runsOn(cfg.Platform, system) {
		return nil, fmt.Errorf("manifest %s: the index says it is for %s, its config says %s", d.Digest, platformName(c.want), describe(cfg.Platform, ""))
	}
	img := &Image{Descriptor: d, Config: *cfg}
	if img.Layers, err = pairLayers(m, cfg); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return img, nil
}

func (c *chooser) manifest(d v1.Descriptor) (*v1.Manifest, error) {
	data, err := c.load(d)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(data, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", d.Digest, err)
	}
	return m, nil
}

func (c *chooser) config(d v1.Descriptor) (*v1.Image, error) {
	if d.MediaType != v1.MediaTypeImageConfig && d.MediaType != mediaDockerConfig {
		return nil, fmt.Errorf("config %s has type %s: it is an artifact, not an image", quote(string(d.Digest)), quote(d.MediaType))
	}
	data, err := c.load(d)
	if err != nil {
		return nil, err
	}
	cfg := &v1.Image{}
	if err := json.Unmarshal(data, cfg); err != nil {
		return nil, fmt.Errorf("parse config %s: %w", d.Digest, err)
	}
	if cfg.RootFS.Type != "layers" {
		return nil, fmt.Errorf("parse config %s: rootfs.type %s: want \"layers\"", d.Digest, quote(cfg.RootFS.Type))
	}
	return cfg, nil
}

// pairLayers joins the manifest's layers and the config's DiffIDs.
func pairLayers(m *v1.Manifest, cfg *v1.Image) ([]Layer, error) {
	if len(m.Layers) != len(cfg.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%d layers, but the config has %d rootfs.diff_ids", len(m.Layers), len(cfg.RootFS.DiffIDs))
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("%d layers, at most %d are read", len(m.Layers), maxLayers)
	}
	layers := make([]Layer, len(m.Layers))
	for i, d := range m.Layers {
		layers[i] = Layer{Descriptor: d, DiffID: cfg.RootFS.DiffIDs[i]}
		for _, t := range layerTypes {
			if t.mediaType == d.MediaType {
				layers[i].compression = t.compression
			}
		}
		if layers[i].compression == "" {
			return nil, fmt.Errorf("layers[%d] has type %s: not a layer this version can read", i, quote(d.MediaType))
		}
		for _, sum := range []digest.Digest{d.Digest, layers[i].DiffID} {
			if err := checkDigest(sum); err != nil {
				return nil, fmt.Errorf("layers[%d]: %w", i, err)
			}
		}
		if d.Size < 0 {
			return nil, fmt.Errorf("layers[%d]: size %d", i, d.Size)
		}
	}
	return layers, nil
}

// parseIndex reads an index that a descriptor of type want ("" for the
// layout's own index.json) points to.
func parseIndex(data []byte, want string) (*v1.Index, error) {
	if err := checkShape(data, want, "manifests", "config", "layers", "fsLayers"); err != nil {
		return nil, err
	}
	x := &v1.Index{}
	if err := json.Unmarshal(data, x); err != nil {
		return nil, err
	}
	if want == "" {
		if want = v1.MediaTypeImageIndex; x.MediaType == mediaDockerIndex {
			want = mediaDockerIndex
		}
	}
	return x, checkHead(x.SchemaVersion, x.MediaType, want)
}

// parseManifest reads a manifest that a descriptor of type want points to.
func parseManifest(data []byte, want string) (*v1.Manifest, error) {
	if err := checkShape(data, want, "config", "manifests", "fsLayers"); err != nil {
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
		return fmt.Errorf("mediaType %s: its descriptor says %s", quote(got), want)
	}
	return nil
}

// checkShape demands the member that makes the document what it is and
// refuses those of another kind, and any member given twice: encoding/json
// matches names without regard to case and keeps the last.
func checkShape(data []byte, want, must string, mustNot ...string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	if _, ok := members[must]; !ok {
		return fmt.Errorf("no member %q: not a document of type %s", must, want)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	seen := map[string]bool{}
	if _, err := dec.Token(); err != nil { // the opening brace
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[fold(name)] {
			return fmt.Errorf("member %s occurs twice", quote(name))
		}
		seen[fold(name)] = true
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return err
		}
	}
	for _, name := range mustNot {
		if seen[fold(name)] {
			return fmt.Errorf("members %q and %q together: the document could be read as two kinds", must, name)
		}
	}
	return nil
}

// fold maps member names that encoding/json takes for equal to one, the long
// s and the Kelvin sign included.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
