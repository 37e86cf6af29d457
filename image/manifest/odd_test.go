package manifest_test

// Indexes that docker and podman take.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// twice lists one image for two platforms. Its config says which it is for.
func twice(t *testing.T, nested bool) *imagetest.Layout {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	var list []v1.Descriptor
	for _, arch := range []string{"arm64", "amd64"} {
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		list = append(list, d)
	}
	if nested {
		list = []v1.Descriptor{l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: list})}
	}
	l.Index(list...)
	return l
}

// An image that an index lists for two platforms is found for both. Where its
// config says something else, that needs a flag, and is noted.
func TestOneImageForTwoPlatforms(t *testing.T) {
	for _, nested := range []bool{false, true} {
		l := twice(t, nested)
		for arch, trusted := range map[string]bool{"amd64": false, "arm64": true} {
			want := bundle.UnpackOptions{Platform: v1.Platform{OS: "linux", Architecture: arch}}
			_, _, err := story.Unpack(t, l.Dir, want)
			if trusted != (err != nil && strings.Contains(err.Error(), "--trust-index")) {
				t.Errorf("%s: error is %v", arch, err)
			}
			want.TrustIndex = true
			b, res, err := story.Unpack(t, l.Dir, want)
			if err != nil {
				t.Errorf("%s: %v", arch, err)
				continue
			}
			imagetest.WantTree(t, filepath.Join(b, "rootfs"), "f f 0644 0")
			noted := strings.Contains(strings.Join(strings.Fields(res.Notes[0].String()), " "), "the index says linux/"+arch)
			if spec := story.Spec(t, b); noted != trusted || spec.Annotations["org.opencontainers.image.architecture"] != arch {
				t.Errorf("%s: notes are %v, annotations %v", arch, res.Notes, spec.Annotations)
			}
		}
		s := story.NewStore(t)
		list, err := transfer.Import(t.Context(), s, l.Dir, "x", transfer.CopyOptions{AllPlatforms: true})
		if err != nil || list[0].Blobs != map[bool]int{false: 3, true: 4}[nested] {
			t.Errorf("import: %+v, %v", list, err)
		}
		if _, _, err := s.Find("x", manifest.Want{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}); err != nil {
			t.Errorf("in the store: %v", err)
		}
	}
}

// An index.json of more than 4 MiB has many images, and is read.
func TestLargeIndex(t *testing.T) {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	var list []v1.Descriptor
	for i := range 15_000 {
		d.Annotations = map[string]string{v1.AnnotationRefName: strings.Repeat("n", 120) + string(rune('a'+i%26)) + strings.Repeat("m", i/26)[:i/26%50]}
		list = append(list, d)
	}
	list[7].Annotations = map[string]string{v1.AnnotationRefName: "one"}
	l.Index(list...)
	if fi, err := os.Stat(filepath.Join(l.Dir, v1.ImageIndexFile)); err != nil || fi.Size() < 4<<20 {
		t.Fatalf("index.json: %v, %v", fi.Size(), err)
	}
	if _, _, err := story.Unpack(t, l.Dir+":one", bundle.UnpackOptions{}); err != nil {
		t.Error(err)
	}
}
