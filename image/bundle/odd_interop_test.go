package bundle_test

// Images that are odd, as podman, buildah, skopeo and umoci take them and hand
// them on: each is one tree to all, or the row says why not.

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// oddity is an image with something that no specification says.
type oddity struct {
	name   string
	config v1.ImageConfig
	layers [][]imagetest.Entry
	// form is how the layers are compressed, not what their media types say; empty:
	// as they say.
	form image.Compression
	arch string // in the config, if not the host's
	// edit changes the index's entry.
	edit func(l *imagetest.Layout, d v1.Descriptor) []v1.Descriptor
	// Why a tool does not take it, or makes another tree of it.
	umoci, podman, buildah, docker string
}

var plainLayers = [][]imagetest.Entry{{{Name: "d/"}, {Name: "d/f", Body: "x"}}, {{Name: "g", Body: "y"}}}

var oddities = []oddity{
	{name: "ports that can't be reserved", config: v1.ImageConfig{ExposedPorts: set("36412/sctp", "80/TCP", "8000-9999/udp")}, layers: plainLayers},
	{name: "an empty port", config: v1.ImageConfig{ExposedPorts: set("")}, layers: plainLayers},
	{name: "a variable without =", config: v1.ImageConfig{Env: []string{"A=b", "HOME"}}, layers: plainLayers},
	{name: "a volume on a file", config: v1.ImageConfig{Volumes: set("/d/f")}, layers: plainLayers},
	{name: "a volume with ..", config: v1.ImageConfig{Volumes: set("/x/../d")}, layers: plainLayers},
	{name: "gzip called plain", form: image.Gzip, layers: plainLayers, umoci: "it goes by the media type, and fails"},
	{name: "names with ..", layers: [][]imagetest.Entry{{{Name: "a/"}, {Name: "a/../b", Body: "x"}, {Name: "h", Type: tar.TypeLink, Link: "a/../b"}}}},
	{name: "hard links to aufs leftovers", layers: [][]imagetest.Entry{{{Name: ".wh..wh.plnk/"}, {Name: ".wh..wh.plnk/1.2", Body: "x"}, {Name: "a", Type: tar.TypeLink, Link: ".wh..wh.plnk/1.2"}}}, umoci: "it leaves the directory there"},
	{name: "a tree in the place of a file", layers: [][]imagetest.Entry{{{Name: "f", Body: "x"}}, {{Name: "f/g", Body: "y"}}}, umoci: "it makes no directory in the place of a file, and fails"},
	{
		name: "a config for another architecture", arch: "riscv64", layers: plainLayers,
		edit: func(_ *imagetest.Layout, d v1.Descriptor) []v1.Descriptor {
			host := manifest.HostPlatform()
			d.Platform = &host
			return []v1.Descriptor{d}
		},
		docker:  "the archive has the config's word only: --platform takes it",
		podman:  "as docker",
		buildah: "as docker",
	},
	{name: "one image for two platforms", layers: plainLayers, edit: func(l *imagetest.Layout, d v1.Descriptor) []v1.Descriptor {
		one, two := d, d
		host := manifest.HostPlatform()
		one.Platform, two.Platform = &v1.Platform{OS: host.OS, Architecture: "riscv64"}, &host
		return []v1.Descriptor{l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{one, two}})}
	}, umoci: "it finds the name ambiguous"},
}

// layout writes the image as v.
func (o *oddity) layout(t *testing.T) string {
	l := imagetest.NewLayout(t)
	cfg := v1.Image{Platform: manifest.HostPlatform(), Config: o.config, RootFS: v1.RootFS{Type: "layers"}}
	if o.arch != "" {
		cfg.Architecture = o.arch
	}
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest}
	for _, entries := range o.layers {
		data := imagetest.Tar(t, entries...)
		media, form := v1.MediaTypeImageLayerGzip, image.Gzip
		if o.form != "" {
			media, form = v1.MediaTypeImageLayer, o.form
		}
		m.Layers = append(m.Layers, l.Blob(media, imagetest.Compress(t, data, form)))
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, digest.FromBytes(data))
	}
	m.Config = l.JSON(v1.MediaTypeImageConfig, cfg)
	list := []v1.Descriptor{l.JSON(v1.MediaTypeImageManifest, m)}
	if o.edit != nil {
		list = o.edit(l, list[0])
	}
	for i := range list {
		list[i].Annotations = map[string]string{v1.AnnotationRefName: "v"}
	}
	l.Index(list...)
	return l.Dir
}

// lower is a fresh directory whose name podman can take for that of an image.
func lower(t *testing.T) string {
	dir, err := os.MkdirTemp("", "odd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func try(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out[max(0, len(out)-300):])
	}
	return ""
}

func TestOddities(t *testing.T) {
	t.Setenv("STORAGE_DRIVER", "vfs")
	for _, o := range oddities {
		t.Run(o.name, func(t *testing.T) {
			in, dir := lower(t)+"/in", lower(t)
			if err := os.CopyFS(in, os.DirFS(o.layout(t))); err != nil {
				t.Fatal(err)
			}
			tree := func(place string) (string, error) {
				s := story.NewStore(t)
				if _, err := transfer.Import(t.Context(), s, place, "x", transfer.CopyOptions{TrustIndex: true}); err != nil {
					return "", err
				}
				b, _, err := story.Unpack(t, "x", bundle.UnpackOptions{Store: s.Path(), TrustIndex: true})
				return imagetest.BelowRoot(imagetest.TreeLikeUmoci(t, filepath.Join(b, "rootfs"))), err
			}
			ours, err := tree("oci:" + in + ":v")
			if err != nil {
				t.Fatal(err)
			}
			same := func(tool, why, failed string, tree func() (string, error)) {
				got := ""
				if failed == "" {
					if got, err = tree(); err != nil {
						failed = err.Error()
					}
				}
				if is := failed == "" && got == ours; is != (why == "") {
					t.Errorf("%s: why %q, but %s\n%s\nours:\n%s", tool, why, failed, got, ours)
				}
			}
			same("umoci", o.umoci, try("umoci", "raw", "unpack", "--image", in+":v", dir+"/umoci"), func() (string, error) {
				return imagetest.BelowRoot(imagetest.TreeLikeUmoci(t, dir+"/umoci")), nil
			})
			docker := dir + "/docker.tar"
			same("skopeo to docker-archive", o.docker, try("skopeo", "--insecure-policy", "copy", "-q", "oci:"+in+":v", "docker-archive:"+docker+":x:y"), func() (string, error) { return tree("docker-archive:" + docker) })
			storage := []string{"--root", dir + "/storage", "--runroot", dir + "/run"}
			failed := try("podman", append(storage, "pull", "-q", "oci:"+in+":v")...)
			if failed == "" {
				failed = try("/bin/sh", "-c", "podman \"$@\" save -q --format oci-archive -o "+dir+"/podman.tar $(podman \"$@\" images -q)", "sh", storage[0], storage[1], storage[2], storage[3])
			}
			same("podman", o.podman, failed, func() (string, error) { return tree("oci-archive:" + dir + "/podman.tar") })
			failed = try("/bin/sh", "-c", "c=$(buildah \"$@\" from oci:"+in+":v) && buildah \"$@\" commit -q $c oci:"+dir+"/buildah:v && buildah \"$@\" rm $c", "sh", storage[0], storage[1], storage[2], storage[3])
			same("buildah", o.buildah, failed, func() (string, error) { return tree("oci:" + dir + "/buildah:v") })
		})
	}
}
