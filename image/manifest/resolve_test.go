package manifest_test

// Choosing an image: platforms, nested indexes, Docker's media types, and
// documents that pretend to be two things.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestPlatformSelection(t *testing.T) {
	all := []string{"linux/arm/v7", "linux/amd64", "netbsd/amd64", "linux/arm/v6", "linux/arm64/v8", "linux/386"}
	for _, c := range []struct{ want, got string }{
		{"linux/amd64", "linux_amd64"},
		{"linux/x86_64", "linux_amd64"},
		{"netbsd/amd64", "netbsd_amd64"},
		{"linux/arm", "linux_arm_v6"}, // the least demanding
		{"linux/arm/v7", "linux_arm_v7"},
		{"linux/earmv7hf", "linux_arm_v7"},
		{"linux/arm64", "linux_arm64_v8"},
		{"linux/aarch64/v8", "linux_arm64_v8"},
		{"linux/arm/v8", ""},
		{"netbsd/arm64", ""},
	} {
		p, err := manifest.ParsePlatform(c.want)
		if err != nil {
			t.Fatal(err)
		}
		for _, describe := range []bool{true, false} {
			l := imagetest.Platforms(t, describe, all...)
			bundle, _, err := story.Unpack(t, l.Dir+":docker.io/library/x:1", bundle.UnpackOptions{Platform: p})
			if c.got == "" {
				var missing *manifest.PlatformError
				if !errors.As(err, &missing) || !strings.Contains(err.Error(), "linux/arm/v7") || !strings.Contains(err.Error(), "--platform") {
					t.Errorf("%s: error is %v; want what the image has", c.want, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.want, err)
				continue
			}
			if _, err := os.Lstat(filepath.Join(bundle, "rootfs", c.got)); err != nil {
				t.Errorf("%s (platforms in the index: %v): not the image %s", c.want, describe, c.got)
			}
		}
	}
}

// Indexes give the variant, configs often don't.
func TestVariantInIndexOnly(t *testing.T) {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "arm"}}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	p := v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	d.Platform = &p
	l.Index(d)
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{Platform: p}); err != nil {
		t.Error(err)
	}
}

// The host's platform is no guess: an image for another system needs the flag.
func TestForeignSystem(t *testing.T) {
	l := imagetest.Platforms(t, true, "plan9/amd64")
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "only for plan9/amd64") {
		t.Errorf("error is %v; want the platform it has", err)
	}
}

func TestDockerMediaTypes(t *testing.T) {
	l := imagetest.NewLayout(t)
	data := imagetest.Tar(t, imagetest.Entry{Name: "f"})
	cfg := v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}}
	m := l.JSON(manifest.MediaTypeDockerManifest, v1.Manifest{
		Versioned: manifest.Schema2, MediaType: manifest.MediaTypeDockerManifest, Config: l.JSON(manifest.MediaTypeDockerConfig, cfg),
		Layers: []v1.Descriptor{l.Blob("application/vnd.docker.image.rootfs.diff.tar"+".gzip", imagetest.Compress(t, data, image.Gzip))},
	})
	m.Platform = &cfg.Platform
	l.Index(l.JSON(manifest.MediaTypeDockerIndex, v1.Index{Versioned: manifest.Schema2, MediaType: manifest.MediaTypeDockerIndex, Manifests: []v1.Descriptor{m}}))
	bundle, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, filepath.Join(bundle, "rootfs"), "f f 0644 0")
}

// CVE-2021-41190 and its relatives: a document is one thing.
func TestConfusion(t *testing.T) {
	for name, c := range map[string]struct {
		mediaType, document, want string
	}{
		"manifest and index at once":          {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, "could be read as two kinds"},
		"index and manifest at once":          {v1.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"config":{}}`, "could be read as two kinds"},
		"index with layers":                   {v1.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`, "could be read as two kinds"},
		"capitals hide it":                    {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{},"MANIFESTS":[]}`, "could be read as two kinds"},
		"an index called manifest":            {v1.MediaTypeImageManifest, `{"schemaVersion":2,"manifests":[]}`, `no member "config"`},
		"a manifest called index":             {v1.MediaTypeImageIndex, `{"schemaVersion":2,"config":{},"layers":[]}`, `no member "manifests"`},
		"mediaType differs from descriptor":   {v1.MediaTypeImageManifest, `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","config":{},"layers":[]}`, "its descriptor says"},
		"schema 1":                            {v1.MediaTypeImageManifest, `{"schemaVersion":1,"config":{},"fsLayers":[]}`, "could be read as two kinds"},
		"schema 3":                            {v1.MediaTypeImageManifest, `{"schemaVersion":3,"config":{},"layers":[]}`, "schemaVersion 3"},
		"a member twice":                      {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{},"layers":[],"layers":[]}`, "occurs twice"},
		"a member twice by the long s":        {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{},"layers":[],"layer` + "\u017f" + `":[]}`, "occurs twice"},
		"a list":                              {v1.MediaTypeImageManifest, `[]`, "cannot unmarshal"},
		"two documents":                       {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{}}{}`, "after top-level value"},
		"nothing":                             {v1.MediaTypeImageManifest, ``, "unexpected end"},
		"null":                                {v1.MediaTypeImageManifest, `null`, `no member "config"`},
		"a config that is not JSON":           {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{"mediaType":"` + v1.MediaTypeImageConfig + `","digest":"` + string(digest.FromBytes([]byte("]"))) + `","size":1},"layers":[]}`, "parse config"},
		"a config with a path for its digest": {v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{"mediaType":"` + v1.MediaTypeImageConfig + `","digest":"sha256:../../x","size":1},"layers":[]}`, "malformed digest"},
	} {
		l := imagetest.NewLayout(t)
		l.Blob("", []byte("]"))
		l.Index(l.Blob(c.mediaType, []byte(c.document)))
		_, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

// An index that promises one platform and delivers another is not believed.
func TestPlatformLie(t *testing.T) {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{Platform: v1.Platform{OS: "plan9", Architecture: "mips"}}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	host := manifest.HostPlatform()
	d.Platform = &host
	l.Index(d)
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "its config says") {
		t.Errorf("error is %v; want the lie", err)
	}
}

func TestIndexBombs(t *testing.T) {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	for range 20 {
		d = l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, Manifests: []v1.Descriptor{d}})
	}
	l.Index(d)
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "indexes within indexes") {
		t.Errorf("nested: error is %v; want the nesting refused", err)
	}
	var all []v1.Descriptor
	for i := range 1100 {
		cfg := l.JSON(v1.MediaTypeImageConfig, v1.Image{Author: strings.Repeat("x", i), RootFS: v1.RootFS{Type: "layers"}})
		all = append(all, l.JSON(v1.MediaTypeImageManifest, v1.Manifest{Versioned: manifest.Schema2, Config: cfg, Layers: []v1.Descriptor{}}))
	}
	l.Index(all...)
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "documents to look through") {
		t.Errorf("wide: error is %v; want the number refused", err)
	}
}
