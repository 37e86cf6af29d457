package transfer_test

// What comes into the store from layouts: under which names, for which
// platforms, and never from a hostile one.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Hostile layouts are refused and leave no name and nothing outside.
func TestImportAttacks(t *testing.T) {
	good := func(l *imagetest.Layout) v1.Descriptor {
		return l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	}
	named := func(d v1.Descriptor) v1.Descriptor {
		d.Annotations = map[string]string{v1.AnnotationRefName: "x/y:1"}
		return d
	}
	for name, c := range map[string]struct {
		make func(l *imagetest.Layout)
		want string
	}{
		"CVE-2024-3727, a digest that is a path": {func(l *imagetest.Layout) {
			d := good(l)
			d.Digest = "sha256:../../../../etc/passwd"
			l.Index(named(d))
		}, "malformed digest"},
		"a layer's digest is a path": {func(l *imagetest.Layout) {
			m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{{MediaType: v1.MediaTypeImageLayer, Digest: "sha256:../x", Size: 1}}}
			m.Config = l.JSON(v1.MediaTypeImageConfig, v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{"sha256:../x"}}})
			l.Index(named(l.JSON(v1.MediaTypeImageManifest, m)))
		}, "malformed digest"},
		"CVE-2021-41190, index and manifest in one": {func(l *imagetest.Layout) {
			d := good(l)
			l.Index(named(l.JSON(v1.MediaTypeImageIndex, map[string]any{
				"schemaVersion": 2, "manifests": []v1.Descriptor{d}, "config": d, "layers": []v1.Descriptor{d},
			})))
		}, "could be read as two kinds"},
		"CVE-2021-41190, another type than announced": {func(l *imagetest.Layout) {
			d := good(l)
			d.MediaType = v1.MediaTypeImageIndex
			l.Index(named(d))
		}, ""},
		"size and descriptor differ": {func(l *imagetest.Layout) {
			d := good(l)
			d.Size++
			l.Index(named(d))
		}, "its descriptor says"},
		"a huge manifest": {func(l *imagetest.Layout) {
			d := l.Blob(v1.MediaTypeImageManifest, []byte(strings.Repeat(" ", image.MaxJSON+1)))
			l.Index(named(d))
		}, "at most"},
		"a negative size": {func(l *imagetest.Layout) {
			d := good(l)
			d.Size = -1
			l.Index(named(d))
		}, ""},
		"an index that lists itself nested too deep": {func(l *imagetest.Layout) {
			d := good(l)
			for range manifest.MaxNesting + 2 {
				d = l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, Manifests: []v1.Descriptor{d}})
			}
			l.Index(named(d))
		}, "indexes within indexes"},
		"a name that is a path": {func(l *imagetest.Layout) {
			d := good(l)
			d.Annotations = map[string]string{v1.AnnotationRefName: "../../etc/passwd:1"}
			l.Index(d)
		}, "parse image name"},
		"content that does not match": {func(l *imagetest.Layout) {
			d := good(l)
			l.Write(verify.BlobName(d.Digest), []byte(strings.Repeat("x", int(d.Size))))
			l.Index(named(d))
		}, ""},
		"a blob that is a link out of the layout": {func(l *imagetest.Layout) {
			d := good(l)
			os.Remove(filepath.Join(l.Dir, verify.BlobName(d.Digest)))
			os.Symlink("/etc/passwd", filepath.Join(l.Dir, verify.BlobName(d.Digest)))
			l.Index(named(d))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			around := imagetest.Canary(t)
			s := story.OpenStore(t, filepath.Join(around, "in", "bundle"))
			before := imagetest.Outside(imagetest.Tree(t, around))
			l := imagetest.NewLayout(t)
			c.make(l)
			for _, all := range []bool{false, true} {
				_, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{AllPlatforms: all})
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("all platforms: %v: error is %v; want %q", all, err, c.want)
				}
			}
			if names := story.Names(t, s); len(names) != 0 {
				t.Errorf("the store has %q", names)
			}
			if after := imagetest.Outside(imagetest.Tree(t, around)); after != before {
				t.Errorf("the tree around changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

func TestImportPlatforms(t *testing.T) {
	l := imagetest.Platforms(t, true, "linux/amd64", "linux/arm64", "netbsd/amd64")
	s := story.NewStore(t)
	p, _ := manifest.ParsePlatform("netbsd/amd64")
	if _, err := transfer.Import(t.Context(), s, l.Dir, "x", transfer.CopyOptions{Platform: p}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Inspect("x", manifest.Want{Platform: p})
	if err != nil || i.Config.OS != "netbsd" || len(i.Layers) != 1 {
		t.Errorf("Inspect = %+v, %v; want the NetBSD image", i, err)
	}
	other, _ := manifest.ParsePlatform("linux/arm64")
	var missing *manifest.PlatformError
	if _, err := s.Inspect("x", manifest.Want{Platform: other}); !errors.As(err, &missing) {
		t.Errorf("Inspect for another platform: %v", err)
	}
	if _, err := transfer.Import(t.Context(), s, l.Dir, "x", transfer.CopyOptions{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []v1.Platform{p, other} {
		if i, err := s.Inspect("x", manifest.Want{Platform: p}); err != nil || i.Config.Architecture != p.Architecture {
			t.Errorf("Inspect for %+v = %+v, %v", p, i, err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 && len(list) != 3 {
		t.Errorf("List = %+v, %v", list, err)
	}
	if v, err := s.Verify(t.Context(), "x", store.VerifyOptions{}); err != nil || len(v.Problems) > 0 {
		t.Errorf("Verify = %+v, %v", v, err)
	}
}

func TestImportNames(t *testing.T) {
	l := imagetest.NewLayout(t)
	a, b := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "a"})), l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "b"}))
	a.Annotations = map[string]string{v1.AnnotationRefName: "v1", "io.containerd.image.name": "docker.io/library/a:v1"}
	b.Annotations = map[string]string{v1.AnnotationRefName: "quay.io/x/b:2"}
	l.Index(a, b)
	s := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := story.Names(t, s); !slices.Equal(got, []string{"docker.io/library/a:v1", "quay.io/x/b:2"}) {
		t.Errorf("names are %q", got)
	}
	if _, err := transfer.Import(t.Context(), s, l.Dir, "c", transfer.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "several images") {
		t.Errorf("two images under one name: %v", err)
	}
	if _, err := transfer.Import(t.Context(), s, "oci:"+l.Dir+":v1", "c", transfer.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := transfer.Import(t.Context(), s, "oci:"+l.Dir+":v1", "c@"+string(a.Digest), transfer.CopyOptions{}); err == nil {
		t.Error("a digest was taken for a new name")
	}
}
