package layout_test

// Layouts and archives of them: which image a name means, and what is no layout.

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestNames(t *testing.T) {
	l := imagetest.NewLayout(t)
	var all []v1.Descriptor
	for _, name := range []string{"one", "two"} {
		d := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: name}))
		d.Annotations = map[string]string{v1.AnnotationRefName: name}
		all = append(all, d)
	}
	l.Index(all...)
	for _, c := range []struct{ image, file, err string }{
		{l.Dir + ":two", "two", ""},
		{"oci:" + l.Dir + ":one", "one", ""},
		{l.Dir, "", `several images`},
		{l.Dir + ":three", "", `no image is named "three": the layout has "one", "two"`},
		{l.Dir + "/nothing", "", "no such file"},
		{"oci-archive:" + l.Dir, "", "must be a regular file"},
	} {
		bundle, _, err := story.Unpack(t, c.image, bundle.UnpackOptions{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error is %v; want %q in it", c.image, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.image, err)
		} else if _, err := os.Lstat(filepath.Join(bundle, "rootfs", c.file)); err != nil {
			t.Errorf("%s: not the image %s", c.image, c.file)
		}
	}
}

func TestArchives(t *testing.T) {
	dir := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"}))
	for _, c := range []image.Compression{image.None, image.Gzip, image.Zstd} {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, imagetest.Compress(t, imagetest.ArchiveOf(t, dir), c), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{file, "oci-archive:" + file} {
			bundle, _, err := story.Unpack(t, name, bundle.UnpackOptions{})
			if err != nil {
				t.Errorf("%s archive: %v", c, err)
				continue
			}
			imagetest.WantTree(t, filepath.Join(bundle, "rootfs"), "f f 0644 1")
		}
	}
}

func TestBadArchives(t *testing.T) {
	dir := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"}))
	good := imagetest.ArchiveOf(t, dir)
	blob, _ := imagetest.Bomb(t, 80<<20, image.Gzip)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"index.json twice":    {imagetest.ArchiveOf(t, dir, imagetest.Entry{Name: v1.ImageIndexFile, Body: "{}"}), "occurs twice"},
		"truncated":           {good[:len(good)/2], ""},
		"not an archive":      {[]byte(strings.Repeat("not a tar archive ", 100)), "invalid tar header"},
		"empty":               {nil, "no OCI image layout"},
		"docker save":         {imagetest.Tar(t, imagetest.Entry{Name: "manifest.json", Body: "[]"}), "docker save"},
		"gzip bomb":           {blob, "--max-size"},
		"gzip garbage behind": {append(imagetest.Compress(t, good, image.Gzip), "garbage"...), "expand archive"},
		"blobs that are links": {imagetest.Tar(t, imagetest.Entry{Name: v1.ImageLayoutFile, Body: imagetest.LayoutContent},
			imagetest.Entry{Name: v1.ImageIndexFile, Type: tar.TypeSymlink, Link: "/etc/passwd"}), "does not exist"},
	} {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := story.Unpack(t, file, bundle.UnpackOptions{Limits: &image.Limits{MaxSize: 64 << 20}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

func TestBadLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *imagetest.Layout)
		want   string
	}{
		"no oci-layout":     {func(l *imagetest.Layout) { os.Remove(l.Dir + "/" + v1.ImageLayoutFile) }, "no OCI image layout"},
		"another version":   {func(l *imagetest.Layout) { l.Write(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"9.0.0"}`)) }, "only 1.0.0 is known"},
		"no index":          {func(l *imagetest.Layout) { os.Remove(l.Dir + "/" + v1.ImageIndexFile) }, "no such file"},
		"an empty index":    {func(l *imagetest.Layout) { l.Index() }, "the index is empty"},
		"a huge index":      {func(l *imagetest.Layout) { l.Write(v1.ImageIndexFile, bytes.Repeat([]byte(" "), image.MaxIndex+1)) }, "at most"},
		"an index too deep": {func(l *imagetest.Layout) { l.Write(v1.ImageIndexFile, []byte(strings.Repeat("[", 20000))) }, "exceeded max depth"},
	} {
		l := imagetest.NewLayout(t)
		l.Index(l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"})))
		c.change(l)
		if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

// FuzzArchive opens an arbitrary file as an image.
func FuzzArchive(f *testing.F) {
	f.Add(imagetest.Tar(f, imagetest.Entry{Name: v1.ImageLayoutFile, Body: imagetest.LayoutContent}, imagetest.Entry{Name: v1.ImageIndexFile, Body: `{"schemaVersion":2,"manifests":[]}`}))
	f.Add(imagetest.Compress(f, imagetest.Tar(f, imagetest.Entry{Name: v1.ImageLayoutFile, Body: imagetest.LayoutContent}), image.Gzip))
	f.Add(imagetest.Compress(f, imagetest.Tar(f, imagetest.Entry{Name: v1.ImageLayoutFile, Body: imagetest.LayoutContent}), image.Zstd))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, err := layout.Open(t.Context(), reference.Place{Transport: reference.LayoutArchive, Path: file}, image.Limits{MaxSize: 8 << 20})
		if err != nil {
			return
		}
		defer l.Close()
		_, _ = l.Image("", manifest.Want{Platform: manifest.HostPlatform()})
	})
}
