// Choosing an image: names, platforms, nested indexes, Docker's media types,
// and documents that pretend to be two things.

package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// platforms makes a layout whose only image is an index over platforms; each
// image holds a file named like its platform.
func platforms(t *testing.T, describe bool, list ...string) *layoutBuilder {
	t.Helper()
	l := newLayout(t)
	var all []v1.Descriptor
	for _, s := range list {
		p, err := ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		d := l.image(v1.Image{Platform: p}, tarOf(t, ent{name: strings.ReplaceAll(s, "/", "_")}))
		if describe {
			d.Platform = &p
		}
		all = append(all, d)
	}
	inner := l.json(v1.MediaTypeImageIndex, v1.Index{Versioned: schema2, MediaType: v1.MediaTypeImageIndex, Manifests: all})
	outer := l.json(v1.MediaTypeImageIndex, v1.Index{Versioned: schema2, Manifests: []v1.Descriptor{inner}})
	outer.Annotations = map[string]string{v1.AnnotationRefName: "docker.io/library/x:1"}
	l.index(outer)
	return l
}

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
		p, err := ParsePlatform(c.want)
		if err != nil {
			t.Fatal(err)
		}
		for _, describe := range []bool{true, false} {
			l := platforms(t, describe, all...)
			bundle, _, err := unpackIn(t, l.dir+":docker.io/library/x:1", UnpackOptions{Platform: p})
			if c.got == "" {
				var missing *PlatformError
				if !errors.As(err, &missing) || !strings.Contains(err.Error(), "linux/arm/v7") || !strings.Contains(err.Error(), "--platform") {
					t.Errorf("%s: error is %v; want what the image has", c.want, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.want, err)
				continue
			}
			if _, err := os.Lstat(filepath.Join(bundle, rootfsName, c.got)); err != nil {
				t.Errorf("%s (platforms in the index: %v): not the image %s", c.want, describe, c.got)
			}
		}
	}
}

// Indexes give the variant, configs often don't.
func TestVariantInIndexOnly(t *testing.T) {
	l := newLayout(t)
	d := l.image(v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "arm"}}, tarOf(t, ent{name: "f"}))
	p := v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	d.Platform = &p
	l.index(d)
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{Platform: p}); err != nil {
		t.Error(err)
	}
}

func TestParsePlatform(t *testing.T) {
	for _, s := range []string{"linux", "linux/", "/amd64", "a/b/c/d", "linux/amd64/", "lin ux/amd64", "linux/am\nd64"} {
		if p, err := ParsePlatform(s); err == nil {
			t.Errorf("ParsePlatform(%q) = %v; want an error", s, p)
		}
	}
	if p, err := ParsePlatform(""); err != nil || platformName(p) != platformName(HostPlatform()) {
		t.Errorf("ParsePlatform of nothing = %v, %v; want the host's", p, err)
	}
}

func TestParseReference(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reference
	}{
		{"oci:dir", Reference{LayoutDir, "dir", ""}},
		{"oci:/a/b:v1", Reference{LayoutDir, "/a/b", "v1"}},
		{"oci:dir:docker.io/x:1", Reference{LayoutDir, "dir", "docker.io/x:1"}},
		{"oci-archive:x.tar:v1", Reference{LayoutArchive, "x.tar", "v1"}},
		{"x.tar", Reference{"", "x.tar", ""}},
		{"./a:b", Reference{"", "./a:b", ""}},
	} {
		if got, err := ParseReference(c.in); err != nil || got != c.want {
			t.Errorf("ParseReference(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
	for _, s := range []string{"", "oci:", "oci::v1", "oci-archive:", "docker://alpine", "a\x00b"} {
		if got, err := ParseReference(s); err == nil {
			t.Errorf("ParseReference(%q) = %+v; want an error", s, got)
		}
	}
}

func TestNames(t *testing.T) {
	l := newLayout(t)
	var all []v1.Descriptor
	for _, name := range []string{"one", "two"} {
		d := l.image(v1.Image{}, tarOf(t, ent{name: name}))
		d.Annotations = map[string]string{v1.AnnotationRefName: name}
		all = append(all, d)
	}
	l.index(all...)
	for _, c := range []struct{ image, file, err string }{
		{l.dir + ":two", "two", ""},
		{"oci:" + l.dir + ":one", "one", ""},
		{l.dir, "", `several images`},
		{l.dir + ":three", "", `no image is named "three": the layout has "one", "two"`},
		{l.dir + "/nothing", "", "no such file"},
		{"oci-archive:" + l.dir, "", "must be a regular file"},
	} {
		bundle, _, err := unpackIn(t, c.image, UnpackOptions{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error is %v; want %q in it", c.image, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.image, err)
		} else if _, err := os.Lstat(filepath.Join(bundle, rootfsName, c.file)); err != nil {
			t.Errorf("%s: not the image %s", c.image, c.file)
		}
	}
}

// The host's platform is no guess: an image for another system needs the flag.
func TestForeignSystem(t *testing.T) {
	l := platforms(t, true, "plan9/amd64")
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "only for plan9/amd64") {
		t.Errorf("error is %v; want the platform it has", err)
	}
}

func TestDockerMediaTypes(t *testing.T) {
	l := newLayout(t)
	data := tarOf(t, ent{name: "f"})
	cfg := v1.Image{Platform: HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}}
	m := l.json(mediaDockerManifest, v1.Manifest{
		Versioned: schema2, MediaType: mediaDockerManifest, Config: l.json(mediaDockerConfig, cfg),
		Layers: []v1.Descriptor{l.blob(mediaDockerLayer+".gzip", compressed(t, data, Gzip))},
	})
	m.Platform = &cfg.Platform
	l.index(l.json(mediaDockerIndex, v1.Index{Versioned: schema2, MediaType: mediaDockerIndex, Manifests: []v1.Descriptor{m}}))
	bundle, _, err := unpackIn(t, l.dir, UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(bundle, rootfsName), "f f 0644 0")
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
		l := newLayout(t)
		l.blob("", []byte("]"))
		l.index(l.blob(c.mediaType, []byte(c.document)))
		_, _, err := unpackIn(t, l.dir, UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

// An index that promises one platform and delivers another is not believed.
func TestPlatformLie(t *testing.T) {
	l := newLayout(t)
	d := l.image(v1.Image{Platform: v1.Platform{OS: "plan9", Architecture: "mips"}}, tarOf(t, ent{name: "f"}))
	host := HostPlatform()
	d.Platform = &host
	l.index(d)
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "its config says") {
		t.Errorf("error is %v; want the lie", err)
	}
}

func TestIndexBombs(t *testing.T) {
	l := newLayout(t)
	d := l.image(v1.Image{}, tarOf(t, ent{name: "f"}))
	for range 20 {
		d = l.json(v1.MediaTypeImageIndex, v1.Index{Versioned: schema2, Manifests: []v1.Descriptor{d}})
	}
	l.index(d)
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "indexes within indexes") {
		t.Errorf("nested: error is %v; want the nesting refused", err)
	}
	var all []v1.Descriptor
	for i := range 1100 {
		cfg := l.json(v1.MediaTypeImageConfig, v1.Image{Author: strings.Repeat("x", i), RootFS: v1.RootFS{Type: "layers"}})
		all = append(all, l.json(v1.MediaTypeImageManifest, v1.Manifest{Versioned: schema2, Config: cfg, Layers: []v1.Descriptor{}}))
	}
	l.index(all...)
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "documents to look through") {
		t.Errorf("wide: error is %v; want the number refused", err)
	}
}

// archiveOf packs a layout as a tar archive.
func archiveOf(t *testing.T, dir string, extra ...ent) []byte {
	t.Helper()
	var entries []ent
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() {
			data, _ := os.ReadFile(path)
			entries = append(entries, ent{name: "./" + rel, body: string(data)})
		}
		return err
	})
	return tarOf(t, append(entries, extra...)...)
}

func TestArchives(t *testing.T) {
	dir := layoutOf(t, tarOf(t, ent{name: "f", body: "x"}))
	for _, c := range []Compression{None, Gzip, Zstd} {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, compressed(t, archiveOf(t, dir), c), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{file, "oci-archive:" + file} {
			bundle, _, err := unpackIn(t, name, UnpackOptions{})
			if err != nil {
				t.Errorf("%s archive: %v", c, err)
				continue
			}
			wantTree(t, filepath.Join(bundle, rootfsName), "f f 0644 1")
		}
	}
}

func TestBadArchives(t *testing.T) {
	dir := layoutOf(t, tarOf(t, ent{name: "f", body: "x"}))
	good := archiveOf(t, dir)
	blob, _ := bomb(t, 80<<20, Gzip)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"index.json twice":    {archiveOf(t, dir, ent{name: v1.ImageIndexFile, body: "{}"}), "occurs twice"},
		"truncated":           {good[:len(good)/2], ""},
		"not an archive":      {[]byte(strings.Repeat("not a tar archive ", 100)), "invalid tar header"},
		"empty":               {nil, "no OCI image layout"},
		"docker save":         {tarOf(t, ent{name: "manifest.json", body: "[]"}), "docker save"},
		"gzip bomb":           {blob, "--max-size"},
		"gzip garbage behind": {append(compressed(t, good, Gzip), "garbage"...), "expand archive"},
		"blobs that are links": {tarOf(t, ent{name: v1.ImageLayoutFile, body: layoutContent},
			ent{name: v1.ImageIndexFile, typ: tar.TypeSymlink, link: "/etc/passwd"}), "does not exist"},
	} {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := unpackIn(t, file, UnpackOptions{Limits: &Limits{MaxSize: 64 << 20}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

func TestBadLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *layoutBuilder)
		want   string
	}{
		"no oci-layout":     {func(l *layoutBuilder) { os.Remove(l.dir + "/" + v1.ImageLayoutFile) }, "no OCI image layout"},
		"another version":   {func(l *layoutBuilder) { l.write(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"9.0.0"}`)) }, "only 1.0.0 is known"},
		"no index":          {func(l *layoutBuilder) { os.Remove(l.dir + "/" + v1.ImageIndexFile) }, "no such file"},
		"an empty index":    {func(l *layoutBuilder) { l.index() }, "the index is empty"},
		"a huge index":      {func(l *layoutBuilder) { l.write(v1.ImageIndexFile, bytes.Repeat([]byte(" "), maxJSON+1)) }, "at most"},
		"an index too deep": {func(l *layoutBuilder) { l.write(v1.ImageIndexFile, []byte(strings.Repeat("[", 20000))) }, "exceeded max depth"},
	} {
		l := newLayout(t)
		l.index(l.image(v1.Image{}, tarOf(t, ent{name: "f"})))
		c.change(l)
		if _, _, err := unpackIn(t, l.dir, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

// What is in the bundle's place is never touched.
func TestTargets(t *testing.T) {
	layout := layoutOf(t, tarOf(t, ent{name: "f"}))
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a directory with a file": {func(p string) error { os.Mkdir(p, 0o755); return os.WriteFile(p+"/x", nil, 0o644) }, "is not empty"},
		"a bundle": {func(p string) error {
			os.MkdirAll(p+"/rootfs", 0o755)
			return os.WriteFile(p+"/config.json", nil, 0o644)
		}, "is not empty"},
		"an interrupted bundle":      {func(p string) error { return os.MkdirAll(p+"/rootfs/x", 0o755) }, "as an interrupted unpack leaves it"},
		"a file":                     {func(p string) error { return os.WriteFile(p, nil, 0o644) }, "not a directory"},
		"a link to nothing":          {func(p string) error { return os.Symlink("nowhere", p) }, "no such file"},
		"a parent that is not there": {func(p string) error { return os.Remove(filepath.Dir(p)) }, "no such file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "sub", "b")
		os.Mkdir(filepath.Dir(path), 0o755)
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		before := strings.Join(treeOf(t, dir), "\n")
		if _, err := Unpack(t.Context(), layout, path, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
		if after := strings.Join(treeOf(t, dir), "\n"); after != before {
			t.Errorf("%s: it changed:\n%s\nwas\n%s", name, after, before)
		}
	}
	empty := t.TempDir()
	if _, err := Unpack(t.Context(), layout, empty, UnpackOptions{}); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(empty, configName)); err != nil || !json.Valid(data) {
		t.Errorf("an empty directory: config.json: %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "b")
	if _, err := Unpack(t.Context(), layout, fresh, UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(fresh); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the new bundle has mode %v, %v; want 0700: its set-id files are not for others", fi.Mode(), err)
	}
}
