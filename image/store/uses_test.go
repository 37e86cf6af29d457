package store_test

// What a blob is, its descriptors say, and two can say two things.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// withLayer makes an artifact that lists a blob as its layer.
func withLayer(l *imagetest.Layout, d v1.Descriptor) v1.Descriptor {
	d.MediaType = v1.MediaTypeImageLayer
	return l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest,
		Config: l.JSON(v1.MediaTypeImageConfig, v1.Image{Platform: manifest.HostPlatform()}), Layers: []v1.Descriptor{d},
	})
}

func named(d v1.Descriptor, name string) v1.Descriptor {
	d.Annotations = map[string]string{v1.AnnotationRefName: "localhost/" + name + ":latest"}
	return d
}

// An image can list the manifest of another image as a layer. What the other one
// needs is needed all the same, whichever comes first.
func TestManifestAsLayer(t *testing.T) {
	for _, order := range []string{"evil first", "evil last"} {
		s := story.NewStore(t)
		l := imagetest.NewLayout(t)
		good := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
		list := []v1.Descriptor{named(withLayer(l, good), "evil"), named(good, "good")}
		if order == "evil last" {
			list[0], list[1] = list[1], list[0]
		}
		l.Index(list...)
		if _, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{AllPlatforms: true}); err != nil {
			t.Fatal(err)
		}
		writeIndex(t, s, list...) // in this order
		if left, err := s.GC(t.Context(), false); err != nil || len(left) > 0 {
			t.Errorf("%s: gc removes %v, %v", order, left, err)
		}
		if _, _, err := story.Unpack(t, "good", bundle.UnpackOptions{Store: s.Path()}); err != nil {
			t.Errorf("%s: %v", order, err)
		}
		img, _, err := s.Find("good", manifest.Want{Platform: manifest.HostPlatform()})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(s.Path(), verify.BlobName(img.Layers[0].Digest))); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Verify(t.Context(), "", store.VerifyOptions{}); err != nil || len(v.Problems) != 1 {
			t.Errorf("%s: verify of a store that lacks a layer: %+v, %v", order, v, err)
		}
	}
}

// writeIndex replaces index.json of a store.
func writeIndex(t *testing.T, s *store.Store, list ...v1.Descriptor) {
	t.Helper()
	data, err := json.Marshal(v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: list})
	if err == nil {
		err = os.WriteFile(s.Path()+"/index.json", data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// One image, and nothing else, is layer and document at once: all of it comes,
// and goes on to other places.
func TestOneBlobTwoUses(t *testing.T) {
	l := imagetest.NewLayout(t)
	good := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	x := l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{withLayer(l, good), good}})
	l.Index(x)
	s := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), s, l.Dir, "x", transfer.CopyOptions{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	to := filepath.Join(t.TempDir(), "out.tar")
	if _, err := transfer.Push(t.Context(), s, "x", "oci-archive:"+to, transfer.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	again := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), again, "oci-archive:"+to, "x", transfer.CopyOptions{AllPlatforms: true}); err != nil {
		t.Error(err)
	}
	list, err := again.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("list: %v, %v", list, err)
	}
	size := int64(0)
	blobs, _ := filepath.Glob(again.Path() + "/blobs/sha256/*")
	for _, b := range blobs {
		if fi, err := os.Lstat(b); err == nil {
			size += fi.Size()
		}
	}
	if list[0].Size != size {
		t.Errorf("its size is %d; the blobs have %d bytes", list[0].Size, size)
	}
}

// A config that can't be parsed is verify's to tell, and keeps nothing from
// being collected but what it needs.
func TestConfigThatIsNone(t *testing.T) {
	for _, data := range []string{`{"rootfs":[]}`, `not JSON`, `{"rootfs":{"type":"layers","diff_ids":["../x"]}}`, `{"created":"yesterday"}`} {
		s := story.NewStore(t)
		l := imagetest.NewLayout(t)
		l.Index(l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
			Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest,
			Config: l.Blob(v1.MediaTypeImageConfig, []byte(data)), Layers: []v1.Descriptor{l.Blob(v1.MediaTypeImageLayer, []byte("layer"))},
		}))
		if _, err := transfer.Import(t.Context(), s, l.Dir, "bad", transfer.CopyOptions{AllPlatforms: true}); err != nil {
			t.Fatal(err)
		}
		story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
		if _, err := s.Remove(t.Context(), false, "x"); err != nil {
			t.Fatal(err)
		}
		if left, err := s.GC(t.Context(), false); err != nil || len(left) != 3 {
			t.Errorf("%s: gc removes %v, %v; want the three blobs of the other image", data, left, err)
		}
		v, err := s.Verify(t.Context(), "", store.VerifyOptions{Repair: true})
		if err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "parse config") || v.Problems[0].Removed {
			t.Errorf("%s: verify: %+v, %v; want the config", data, v, err)
		}
	}
}
