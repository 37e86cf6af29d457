package manifest

import (
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzDocuments parses index, manifest and config.
func FuzzDocuments(f *testing.F) {
	for _, s := range []string{
		`{"schemaVersion":2,"manifests":[{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":"sha256:x","size":1,"platform":{"os":"a","architecture":"b"}}]}`,
		`{"schemaVersion":2,"config":{},"layers":[{"mediaType":"` + v1.MediaTypeImageLayer + `"}]}`,
		`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, `{"CONFIG":1,"config":2}`, `[`, `null`, `{"config":{}}{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, xerr := ParseIndex(data, v1.MediaTypeImageIndex)
		m, merr := ParseManifest(data, v1.MediaTypeImageManifest)
		if xerr == nil && merr == nil {
			t.Fatalf("read as an index %+v and as a manifest %+v", x, m)
		}
		if merr == nil {
			if layers, err := pairLayers(m, &v1.Image{RootFS: v1.RootFS{DiffIDs: make([]digest.Digest, len(m.Layers))}}); err == nil && len(layers) > 0 {
				t.Fatalf("layers without digests: %+v", layers)
			}
		}
	})
}
