package pack_test

// Other tools read ours.

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What we pack, skopeo reads and umoci unpacks to the same tree.
func TestOthersReadOurs(t *testing.T) {
	rootfs := imagetest.Sample(t)
	dir := t.TempDir()
	for _, c := range []image.Compression{image.Gzip, image.Zstd, image.None} {
		layout := dir + "/" + string(c)
		res, err := pack.Pack(t.Context(), rootfs, "oci:"+layout+":v1", pack.Options{
			Compression: c,
			Config:      v1.ImageConfig{User: "web", Env: []string{"A=b"}, Labels: map[string]string{"k": "v"}, Entrypoint: []string{"/bin/sh"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var seen struct {
			Digest       digest.Digest
			Architecture string
			Os           string
			Labels       map[string]string
			Layers       []digest.Digest
			Env          []string
		}
		if err := json.Unmarshal([]byte(imagetest.RunTool(t, "skopeo", "inspect", "oci:"+layout+":v1")), &seen); err != nil {
			t.Fatal(err)
		}
		host := manifest.HostPlatform()
		if seen.Digest != res.Manifest || seen.Os != host.OS || seen.Architecture != host.Architecture ||
			seen.Labels["k"] != "v" || len(seen.Layers) != 1 || seen.Layers[0] != res.Layer || len(seen.Env) != 1 {
			t.Errorf("%s: skopeo sees %+v", c, seen)
		}
		// A full copy makes skopeo verify every blob.
		imagetest.RunTool(t, "skopeo", "--insecure-policy", "copy", "-q", "oci:"+layout+":v1", "oci:"+dir+"/copy-"+string(c)+":v1")
		if c == image.Zstd {
			continue // umoci 0.4.7 reads no zstd
		}
		theirs := filepath.Join(t.TempDir(), "umoci")
		imagetest.RunTool(t, "umoci", "raw", "unpack", "--image", layout+":v1", theirs)
		if got, want := imagetest.TreeLikeUmoci(t, theirs), imagetest.TreeLikeUmoci(t, rootfs); got != want {
			t.Errorf("%s: umoci unpacked\n%s\nit was\n%s", c, got, want)
		}
	}
	archive := dir + "/img.tar"
	if _, err := pack.Pack(t.Context(), rootfs, "oci-archive:"+archive+":v1", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	imagetest.RunTool(t, "skopeo", "inspect", "oci-archive:"+archive+":v1")
}
