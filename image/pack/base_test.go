package pack_test

// What differs from an image becomes a layer on top of it.

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What differs from an image, packed on top of it, unpacks to the tree.
func TestPackOnBase(t *testing.T) {
	for _, c := range []image.Compression{image.Gzip, image.Zstd} {
		s := story.NewStore(t)
		rootfs := imagetest.Sample(t)
		base, err := pack.Pack(t.Context(), rootfs, "base:1", pack.Options{Store: s.Path(), Compression: c, Config: v1.ImageConfig{
			Env: []string{"A=1", "B=2"}, Entrypoint: []string{"/bin/sh"}, Cmd: []string{"x"}, Labels: map[string]string{"a": "1"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := story.Unpack(t, "base:1", bundle.UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Fatal(err)
		}
		rootfs = filepath.Join(b, "rootfs")
		imagetest.ChangeTree(t, rootfs)
		want := strings.Join(imagetest.Tree(t, rootfs), "\n")
		o := pack.Options{Store: s.Path(), Base: "base:1", Compression: c, Config: v1.ImageConfig{Env: []string{"B=3"}, Entrypoint: []string{"/bin/ash"}, Labels: map[string]string{"b": "2"}}}
		res, err := pack.Pack(t.Context(), rootfs, "next:2", o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := pack.Pack(t.Context(), rootfs, "next:3", o)
		if err != nil || again.Manifest != res.Manifest {
			t.Errorf("packed again: %+v, %v; want %s", again, err, res.Manifest)
		}
		b, unpacked, err := story.Unpack(t, "next:2", bundle.UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(imagetest.Tree(t, filepath.Join(b, "rootfs")), "\n"); got != want {
			t.Errorf("%s: tree is\n%s\nwant\n%s", c, got, want)
		}
		if unpacked.Layers != 2 || res.Unpacked >= base.Unpacked {
			t.Errorf("%d layers, the difference has %d bytes of %d", unpacked.Layers, res.Unpacked, base.Unpacked)
		}
		i, err := s.Inspect("next:2", manifest.Want{Platform: manifest.HostPlatform()})
		if err != nil {
			t.Fatal(err)
		}
		cfg := i.Config.Config
		if got := fmt.Sprint(cfg.Env, cfg.Entrypoint, cfg.Cmd, cfg.Labels, len(i.Config.History)); got != "[A=1 B=3] [/bin/ash] [] map[a:1 b:2] 2" {
			t.Errorf("config is %s", got)
		}
		// Nothing differs: only the config is new.
		same, err := pack.Pack(t.Context(), filepath.Join(b, "rootfs"), "oci:"+t.TempDir()+"/x:1", pack.Options{Store: s.Path(), Base: "next:2"})
		if err != nil || same.Entries != 0 || same.Layer != "" {
			t.Errorf("no difference: %+v, %v", same, err)
		}
		if left, err := s.GC(t.Context(), true); err != nil || len(left) > 0 {
			t.Errorf("left in the store: %v, %v", left, err)
		}
	}
}

// umoci unpacks a difference of ours to the same tree.
func TestPackOnBaseUmoci(t *testing.T) {
	rootfs := imagetest.Sample(t)
	layout := filepath.Join(t.TempDir(), "img")
	if _, err := pack.Pack(t.Context(), rootfs, "oci:"+layout+":one", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	imagetest.ChangeTree(t, rootfs)
	if _, err := pack.Pack(t.Context(), rootfs, "oci:"+layout+":two", pack.Options{Base: "oci:" + layout + ":one"}); err != nil {
		t.Fatal(err)
	}
	story.SameAsUmoci(t, layout, "two")
}
