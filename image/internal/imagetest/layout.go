package imagetest

// Layouts, with every chance to lie.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout writes an image layout (image-spec, image-layout.md). It checks
// nothing that it is told to write.
type Layout struct {
	TB  testing.TB
	Dir string
	Top v1.Descriptor // of Platforms
}

// LayoutContent is the file oci-layout.
const LayoutContent = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`

// NewLayout is an empty layout in a directory of its own, without an index.
func NewLayout(tb testing.TB) *Layout {
	tb.Helper()
	l := &Layout{TB: tb, Dir: tb.TempDir()}
	if err := os.MkdirAll(l.Dir+"/blobs/sha256", 0o755); err != nil {
		tb.Fatal(err)
	}
	l.Write(v1.ImageLayoutFile, []byte(LayoutContent))
	return l
}

// Write writes a file of the layout.
func (l *Layout) Write(name string, data []byte) {
	l.TB.Helper()
	if err := os.WriteFile(filepath.Join(l.Dir, name), data, 0o644); err != nil {
		l.TB.Fatal(err)
	}
}

// Blob adds a blob and gives its descriptor.
func (l *Layout) Blob(mediaType string, data []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	l.Write(verify.BlobName(d.Digest), data)
	return d
}

// JSON adds a document.
func (l *Layout) JSON(mediaType string, v any) v1.Descriptor {
	l.TB.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		l.TB.Fatal(err)
	}
	return l.Blob(mediaType, data)
}

// Index writes index.json with these entries.
func (l *Layout) Index(list ...v1.Descriptor) {
	data, _ := json.Marshal(v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: list})
	l.Write(v1.ImageIndexFile, data)
}

// Image adds an image whose layers are the tar archives: the first compressed
// with gzip, the second with zstd, the third not, and so on. Without cfg.OS it
// is one for the host.
func (l *Layout) Image(cfg v1.Image, layers ...[]byte) v1.Descriptor {
	l.TB.Helper()
	if cfg.OS == "" {
		cfg.Platform = manifest.HostPlatform()
	}
	cfg.RootFS.Type, cfg.RootFS.DiffIDs = "layers", []digest.Digest{}
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	for i, data := range layers {
		c := []image.Compression{image.Gzip, image.Zstd, image.None}[i%3]
		suffix := []string{"+gzip", "+zstd", ""}[i%3]
		m.Layers = append(m.Layers, l.Blob(v1.MediaTypeImageLayer+suffix, Compress(l.TB, data, c)))
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, digest.FromBytes(data))
	}
	m.Config = l.JSON(v1.MediaTypeImageConfig, cfg)
	return l.JSON(v1.MediaTypeImageManifest, m)
}

// LayoutOf is a layout with one image of these layers.
func LayoutOf(tb testing.TB, layers ...[]byte) string {
	tb.Helper()
	l := NewLayout(tb)
	l.Index(l.Image(v1.Image{}, layers...))
	return l.Dir
}

// Lie builds an image for the host with one layer and lets lie change it after
// it is whole. It gives the layout.
func Lie(t testing.TB, lie func(l *Layout, m *v1.Manifest, cfg *v1.Image)) string {
	t.Helper()
	l := NewLayout(t)
	data := Tar(t, Entry{Name: "f", Body: strings.Repeat("content ", 1000)})
	cfg := &v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}}
	m := &v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{l.Blob(v1.MediaTypeImageLayer+"+gzip", Compress(t, data, image.Gzip))}}
	lie(l, m, cfg)
	if m.Config.Digest == "" {
		m.Config = l.JSON(v1.MediaTypeImageConfig, cfg)
	}
	l.Index(l.JSON(v1.MediaTypeImageManifest, m))
	return l.Dir
}

// Platforms makes a layout whose only image is an index over platforms; each
// image holds a file named like its platform. With describe the index says
// which is for which platform.
func Platforms(t testing.TB, describe bool, list ...string) *Layout {
	t.Helper()
	l := NewLayout(t)
	var all []v1.Descriptor
	for _, s := range list {
		p, err := manifest.ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		d := l.Image(v1.Image{Platform: p}, Tar(t, Entry{Name: strings.ReplaceAll(s, "/", "_")}))
		if describe {
			d.Platform = &p
		}
		all = append(all, d)
	}
	inner := l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: all})
	outer := l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, Manifests: []v1.Descriptor{inner}})
	outer.Annotations = map[string]string{v1.AnnotationRefName: "docker.io/library/x:1"}
	l.Index(outer)
	l.Top = inner
	return l
}
